//! A connection to a monitor.

use std::io;

use mantyx_core::ExecutionId;
use mantyx_monitor::{Message, Request, RunFolder};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// Messages are short, and there may be hundreds of connections.
const BUFFER: usize = 1024;

/// A connection to a monitor.
pub(crate) struct Link {
    messages: Lines<BufReader<OwnedReadHalf>>,
    requests: OwnedWriteHalf,
}

impl Link {
    /// Fails with [`is_gone`] when there is no monitor (any more).
    pub(crate) async fn connect(folder: &RunFolder, execution: ExecutionId) -> io::Result<Self> {
        let (read, requests) = UnixStream::connect(folder.socket(execution)).await?.into_split();
        Ok(Self { messages: BufReader::with_capacity(BUFFER, read).lines(), requests })
    }

    /// Asks for something. The answer comes as a message.
    pub(crate) async fn ask(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.requests.write_all(&line).await
    }

    /// The next message. No wait for it that is called off loses one.
    pub(crate) async fn next(&mut self) -> io::Result<Message> {
        let line = self.messages.next_line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(serde_json::from_str(&line)?)
    }
}

/// Whether a connection failed because nobody listens, and not because this process has a trouble of its own.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}
