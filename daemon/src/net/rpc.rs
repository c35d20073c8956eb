//! The codec of requests and answers between two peers.
//!
//! A message is a `u32` little-endian length and that many bytes of protobuf, one
//! on each direction of a stream. The length is checked before anything is
//! allocated; decoding runs on the connection's task, not on the swarm's.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::{Codec, OutboundFailure};
use prost::Message;
use proto::frame;
use proto::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use proto::wire::sync::{Request, Response};

/// Why a request got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// The peer is not connected; requests do not dial.
    #[error("peer is not connected")]
    NotConnected,
    /// Too many requests wait for answers.
    #[error("too many requests are under way")]
    Busy,
    /// The request is above its bound and was not sent.
    #[error("request is too long")]
    TooLong,
    /// No answer came in time; the peer may have got the request or not.
    #[error("peer did not answer in time")]
    Timeout,
    /// The connection closed first; the peer may have got the request or not.
    #[error("connection closed before the answer")]
    ConnectionClosed,
    /// The peer does not speak this protocol of this swarm.
    #[error("peer does not speak this protocol")]
    Unsupported,
    /// The stream failed, or the answer is above its bound or does not decode.
    #[error("answer cannot be read")]
    Unreadable,
}

impl From<OutboundFailure> for RpcError {
    fn from(failure: OutboundFailure) -> Self {
        match failure {
            OutboundFailure::DialFailure => Self::NotConnected,
            OutboundFailure::Timeout => Self::Timeout,
            OutboundFailure::ConnectionClosed => Self::ConnectionClosed,
            OutboundFailure::UnsupportedProtocols => Self::Unsupported,
            OutboundFailure::Io(_) => Self::Unreadable,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct SyncCodec;

impl Codec for SyncCodec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(stream, REQUEST_BYTES_MAX).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(stream, RESPONSE_BYTES_MAX).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        request: Request,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(stream, &request, REQUEST_BYTES_MAX).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        response: Response,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(stream, &response, RESPONSE_BYTES_MAX).await
    }
}

async fn read<M: Message + Default>(stream: &mut (impl AsyncRead + Unpin), bound: usize) -> io::Result<M> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await?;
    let length = u32::from_le_bytes(prefix) as usize;
    if length > bound {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "message is above its bound"));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    M::decode(&bytes[..]).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &impl Message,
    bound: usize,
) -> io::Result<()> {
    let bytes = frame::encode(message, bound).map_err(io::Error::other)?;
    stream.write_all(&bytes).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;
    use proto::wire::sync::{Heads, Items, request, response};

    use super::*;

    #[tokio::test]
    async fn messages_round_trip_behind_their_length() {
        let request = Request { request: Some(request::Request::Heads(Heads { heads: Vec::new() })) };
        let mut stream = Cursor::new(Vec::new());
        let protocol = StreamProtocol::new("/test");
        SyncCodec.write_request(&protocol, &mut stream, request.clone()).await.unwrap();
        assert_eq!(stream.get_ref()[..], [2, 0, 0, 0, 0x12, 0]);
        stream.set_position(0);
        assert_eq!(SyncCodec.read_request(&protocol, &mut stream).await.unwrap(), request);

        let items = Items { items: Vec::new(), more: true, heads: Vec::new() };
        let response = Response { response: Some(response::Response::Items(items)) };
        let mut stream = Cursor::new(Vec::new());
        SyncCodec.write_response(&protocol, &mut stream, response.clone()).await.unwrap();
        stream.set_position(0);
        assert_eq!(SyncCodec.read_response(&protocol, &mut stream).await.unwrap(), response);
    }

    #[tokio::test]
    async fn a_length_above_the_bound_is_refused_before_the_body_is_read() {
        let protocol = StreamProtocol::new("/test");
        for (length, kind) in [
            (64 << 10, io::ErrorKind::UnexpectedEof),
            ((64 << 10) + 1, io::ErrorKind::InvalidData),
            (u32::MAX, io::ErrorKind::InvalidData),
        ] {
            let mut stream = Cursor::new(length.to_le_bytes());
            let error = SyncCodec.read_request(&protocol, &mut stream).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{length}");
        }
        for (length, kind) in
            [(1 << 20, io::ErrorKind::UnexpectedEof), ((1_u32 << 20) + 1, io::ErrorKind::InvalidData)]
        {
            let mut stream = Cursor::new(length.to_le_bytes());
            let error = SyncCodec.read_response(&protocol, &mut stream).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{length}");
        }
        let mut stream = Cursor::new([1, 0, 0, 0, 0xff]);
        let error = SyncCodec.read_request(&protocol, &mut stream).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
