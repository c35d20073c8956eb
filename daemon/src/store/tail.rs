//! The growing end of one file: append, make durable, and hold on to what the disk
//! has not taken.
//!
//! After a failed write or sync nothing is known about the bytes since the last good
//! sync: the kernel may have dropped them and report success the next time. They are
//! therefore kept in memory until a sync has succeeded, and after a fault the file is
//! cut back to its last durable length and they are written again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What a file must be able to do here; a test puts a failing disk behind it.
pub(super) trait Medium {
    /// Writes all bytes at the offset.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts or extends to the length.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Returns when content and length would survive a power failure.
    fn sync(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// The end of one file.
#[derive(Debug)]
pub(super) struct Tail<M = File> {
    medium: M,
    /// Length that has been synced.
    durable: u64,
    /// What comes after it and has not been synced.
    pending: Vec<u8>,
    /// The last commit failed: the file may hold anything after `durable`.
    is_torn: bool,
}

impl<M: Medium> Tail<M> {
    /// Continues a file whose first `durable` bytes are good; the rest is cut off.
    pub(super) fn new(mut medium: M, durable: u64, length: u64) -> io::Result<Self> {
        if length != durable {
            medium.cut(durable)?;
            medium.sync()?;
        }
        Ok(Self { medium, durable, pending: Vec::new(), is_torn: false })
    }

    /// Length with what is not yet durable.
    pub(super) fn length(&self) -> u64 {
        self.durable + self.pending.len() as u64
    }

    /// Bytes that a crash would lose.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Where the next bytes go; durable after the next commit.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Gives up the last `bytes` appended and not yet durable.
    pub(super) fn take_back(&mut self, length: u64) {
        let keep = length.saturating_sub(self.durable);
        self.pending.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
    }

    /// Makes everything appended durable.
    ///
    /// # Errors
    /// Whatever the disk said. Nothing appended is lost by it: a later commit starts
    /// over from the last durable length.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        if self.pending.is_empty() && !self.is_torn {
            return Ok(());
        }
        let was_torn = std::mem::replace(&mut self.is_torn, true);
        if was_torn {
            self.medium.cut(self.durable)?;
        }
        self.medium.write_at(&self.pending, self.durable)?;
        self.medium.sync()?;
        self.durable += self.pending.len() as u64;
        self.pending.clear();
        self.is_torn = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk of 20 bytes that can be told to fail its next syncs, and then forgets
    /// what was written since the last good one.
    #[derive(Default)]
    struct Disk {
        bytes: Vec<u8>,
        synced: Vec<u8>,
        failing_syncs: usize,
        room: usize,
    }

    impl Medium for &mut Disk {
        fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
            let offset = offset as usize;
            assert!(offset <= self.bytes.len(), "a gap before {offset}");
            let fits = bytes.len().min(self.room.saturating_sub(offset));
            self.bytes.truncate(offset);
            self.bytes.extend_from_slice(&bytes[..fits]);
            match fits == bytes.len() {
                true => Ok(()),
                false => Err(io::ErrorKind::StorageFull.into()),
            }
        }

        fn cut(&mut self, length: u64) -> io::Result<()> {
            self.bytes.resize(length as usize, 0);
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            if self.failing_syncs > 0 {
                self.failing_syncs -= 1;
                self.bytes = self.synced.clone();
                return Err(io::ErrorKind::Other.into());
            }
            self.synced = self.bytes.clone();
            Ok(())
        }
    }

    #[test]
    fn what_a_full_disk_refused_is_written_when_there_is_room() {
        let mut disk = Disk { room: 10, ..Disk::default() };
        let mut tail = Tail::new(&mut disk, 0, 0).unwrap();
        tail.buffer().extend_from_slice(b"01234567");
        tail.commit().unwrap();
        tail.buffer().extend_from_slice(b"89abcdef");
        assert_eq!(tail.commit().unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(tail.commit().unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!((tail.length(), tail.pending()), (16, 8));
        tail.medium.room = 20;
        tail.commit().unwrap();
        assert_eq!((tail.length(), tail.pending()), (16, 0));
        assert_eq!(disk.synced, b"0123456789abcdef");
    }

    #[test]
    fn what_a_failed_sync_may_have_dropped_is_written_again() {
        let mut disk = Disk { room: 20, failing_syncs: 1, ..Disk::default() };
        let mut tail = Tail::new(&mut disk, 0, 0).unwrap();
        tail.buffer().extend_from_slice(b"abc");
        tail.commit().unwrap_err();
        tail.commit().unwrap();
        assert_eq!(disk.synced, b"abc");
    }

    #[test]
    fn bytes_after_the_good_ones_are_cut_off() {
        let mut disk = Disk { room: 20, bytes: b"good rest".to_vec(), ..Disk::default() };
        let mut tail = Tail::new(&mut disk, 5, 9).unwrap();
        tail.buffer().extend_from_slice(b"new");
        tail.commit().unwrap();
        assert_eq!(disk.synced, b"good new");
    }

    #[test]
    fn taking_back_leaves_what_was_there_before() {
        let mut disk = Disk { room: 20, ..Disk::default() };
        let mut tail = Tail::new(&mut disk, 0, 0).unwrap();
        tail.buffer().extend_from_slice(b"kept");
        let before = tail.length();
        tail.buffer().extend_from_slice(b"dropped");
        tail.take_back(before);
        tail.commit().unwrap();
        assert_eq!(disk.synced, b"kept");
    }
}
