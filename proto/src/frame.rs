//! Length-prefixed protobuf frames over blocking byte streams.
//!
//! A frame is a `u32` little-endian length and that many bytes of one message.
//! The length is checked against the caller's bound before anything is allocated.

use std::io::{self, Read, Write};

use prost::Message;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream failed, or ended inside a frame.
    #[error("stream failed")]
    Stream(#[from] io::Error),
    /// The announced length is above the bound.
    #[error("frame of {length} bytes is above the bound of {bound}")]
    TooLong {
        /// Announced length in bytes.
        length: usize,
        /// The caller's bound in bytes.
        bound: usize,
    },
    /// The bytes are not the expected message.
    #[error("frame does not decode")]
    Malformed(#[from] prost::DecodeError),
}

/// Writes one frame and flushes.
///
/// # Errors
/// [`FrameError::TooLong`] above `bound`, [`FrameError::Stream`] when the stream fails.
pub fn write<M: Message>(stream: &mut impl Write, message: &M, bound: usize) -> Result<(), FrameError> {
    let frame = encode(message, bound)?;
    stream.write_all(&frame)?;
    Ok(stream.flush()?)
}

/// Encodes one frame, length included.
///
/// # Errors
/// [`FrameError::TooLong`] above `bound`.
pub fn encode<M: Message>(message: &M, bound: usize) -> Result<Vec<u8>, FrameError> {
    let length = message.encoded_len();
    let prefix = u32::try_from(length).ok().filter(|_| length <= bound);
    let Some(prefix) = prefix else {
        return Err(FrameError::TooLong { length, bound });
    };
    let mut frame = Vec::with_capacity(4 + length);
    frame.extend_from_slice(&prefix.to_le_bytes());
    message.encode_raw(&mut frame);
    Ok(frame)
}

/// Reads one frame; `None` when the stream ends before its first byte.
///
/// # Errors
/// As the variants of [`FrameError`] say.
pub fn read<M: Message + Default>(stream: &mut impl Read, bound: usize) -> Result<Option<M>, FrameError> {
    let mut prefix = [0; 4];
    let first = loop {
        match stream.read(&mut prefix[..1]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if first == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut prefix[1..])?;
    let length = u32::from_le_bytes(prefix) as usize;
    if length > bound {
        return Err(FrameError::TooLong { length, bound });
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(Some(M::decode(&bytes[..])?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::worker::Progress;

    #[test]
    fn frames_round_trip_and_the_end_is_none() {
        let message = Progress { step: 3, steps: 9, loss_microbits: 8_000_000 };
        let mut bytes = Vec::new();
        write(&mut bytes, &message, 64).unwrap();
        write(&mut bytes, &message, 64).unwrap();
        let mut stream = &bytes[..];
        assert_eq!(read::<Progress>(&mut stream, 64).unwrap(), Some(message));
        assert_eq!(read::<Progress>(&mut stream, 64).unwrap(), Some(message));
        assert_eq!(read::<Progress>(&mut stream, 64).unwrap(), None);
    }

    #[test]
    fn long_torn_and_malformed_frames_are_errors() {
        let long = u32::MAX.to_le_bytes();
        assert!(matches!(
            read::<Progress>(&mut &long[..], 64),
            Err(FrameError::TooLong { length: 0xffff_ffff, bound: 64 })
        ));
        assert!(matches!(read::<Progress>(&mut &[5, 0, 0][..], 64), Err(FrameError::Stream(_))));
        assert!(matches!(read::<Progress>(&mut &[5, 0, 0, 0, 1][..], 64), Err(FrameError::Stream(_))));
        assert!(matches!(read::<Progress>(&mut &[1, 0, 0, 0, 0xff][..], 64), Err(FrameError::Malformed(_))));
        let message = Progress { step: u64::MAX, steps: u64::MAX, loss_microbits: u64::MAX };
        assert!(matches!(encode(&message, 8), Err(FrameError::TooLong { bound: 8, .. })));
    }
}
