//! Reading the answer to a request, whatever comes: slow, endless, cut off, or no HTTP at all.
//!
//! The head is bounded, the body is read only as far as somebody needs it, and never further than [`BODY`].

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use httparse::{EMPTY_HEADER, Header, Response, Status, parse_chunk_size};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// How long a head may be, in bytes, with all interim answers before it.
const HEAD: usize = 16 * 1024;

/// How many lines a head may have.
const HEADERS: usize = 100;

/// How much of a body is read, in bytes.
const BODY: usize = 64 * 1024;

/// Read at once, in bytes.
const CHUNK: usize = 4 * 1024;

/// How long is waited for the rest of an answer that nobody needs.
const COURTESY: Duration = Duration::from_millis(100);

/// Why there is no answer, or no more of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The other side closed the connection.
    Closed,
    /// What came is not HTTP.
    NotHttp,
    /// The head does not end.
    TooLong,
    /// The connection broke.
    Broken(ErrorKind),
}

/// The part of a sentence after the colon.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection was closed without an answer"),
            Self::NotHttp => f.write_str("the answer is not HTTP"),
            Self::TooLong => write!(f, "the head of the answer is longer than {} KiB", HEAD / 1024),
            Self::Broken(kind) => write!(f, "the connection broke: {kind}"),
        }
    }
}

/// An answer of which the head was read.
pub(super) struct Answer<'a, S> {
    stream: &'a mut S,
    status: u16,
    framing: Framing,
    /// What was read and is not yet taken apart.
    raw: Vec<u8>,
    /// How much more may be read.
    left: usize,
}

impl<'a, S: AsyncRead + Unpin> Answer<'a, S> {
    /// Reads the head of the answer. Interim answers (RFC 9110, 15.2) are skipped.
    pub(super) async fn read(stream: &'a mut S) -> Result<Self, Trouble> {
        let (mut raw, mut left) = (Vec::new(), HEAD);
        loop {
            while let Some(head) = Head::parse(&raw)? {
                raw.drain(..head.length);
                if !head.is_interim() {
                    let left = BODY.saturating_sub(raw.len());
                    return Ok(Self { stream, status: head.status, framing: head.framing, raw, left });
                }
            }
            match more(stream, &mut raw, &mut left).await? {
                More::Read => {}
                More::Ended => return Err(Trouble::Closed),
                More::Enough => return Err(Trouble::TooLong),
            }
        }
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// Reads until a text was found, the body ended, or enough was read.
    pub(super) async fn contains(&mut self, text: &str) -> Result<bool, Trouble> {
        let (mut body, mut searched) = (Vec::new(), 0);
        loop {
            self.framing.decode(&mut self.raw, &mut body)?;
            if find(&body[searched..], text.as_bytes()) {
                return Ok(true);
            }
            searched = (body.len() + 1).saturating_sub(text.len());
            if !self.read_more().await? {
                return Ok(false);
            }
        }
    }

    /// Reads what is still to come, for a moment: an app that is cut off in the middle of its answer would write a
    /// traceback into its log at each look.
    pub(super) async fn drain(mut self) {
        let rest = async {
            while self.framing.decode(&mut self.raw, &mut Vec::new()).is_ok()
                && self.read_more().await == Ok(true)
            {}
        };
        let _ = timeout(COURTESY, rest).await;
    }

    async fn read_more(&mut self) -> Result<bool, Trouble> {
        if self.framing == Framing::Over {
            return Ok(false);
        }
        Ok(more(self.stream, &mut self.raw, &mut self.left).await? == More::Read)
    }
}

/// How a read went.
#[derive(PartialEq, Eq)]
enum More {
    Read,
    Ended,
    Enough,
}

/// Reads once, and at most what is left.
async fn more<S: AsyncRead + Unpin>(
    stream: &mut S,
    raw: &mut Vec<u8>,
    left: &mut usize,
) -> Result<More, Trouble> {
    if *left == 0 {
        return Ok(More::Enough);
    }
    let at_once = CHUNK.min(*left);
    raw.reserve(at_once);
    match stream.take(at_once as u64).read_buf(raw).await {
        Ok(0) => Ok(More::Ended),
        Ok(count) => {
            *left = left.saturating_sub(count);
            Ok(More::Read)
        }
        // Over TLS, from the many that close without a word.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(More::Ended),
        Err(error) => Err(broken(&error)),
    }
}

fn broken(error: &io::Error) -> Trouble {
    Trouble::Broken(error.kind())
}

fn find(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

/// What the head of an answer says.
struct Head {
    status: u16,
    framing: Framing,
    length: usize,
}

impl Head {
    /// The head at the beginning of these bytes, once it is whole.
    fn parse(raw: &[u8]) -> Result<Option<Self>, Trouble> {
        let mut headers = [EMPTY_HEADER; HEADERS];
        let mut response = Response::new(&mut headers);
        let length = match response.parse(raw) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Trouble::TooLong),
            Err(_) => return Err(Trouble::NotHttp),
        };
        let status = response.code.ok_or(Trouble::NotHttp)?;
        Ok(Some(Self { status, framing: Framing::of(status, response.headers), length }))
    }

    /// Another answer follows this one. After 101 it would be no HTTP any more.
    fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// Where the body ends (RFC 9112, 6.3), and how far it was taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Framing {
    /// There is no more.
    Over,
    /// With the connection.
    UntilClose,
    /// After so many bytes.
    Length(u64),
    /// A line with the length of the next chunk is due.
    ChunkSize,
    /// So much of a chunk is left.
    Chunk(u64),
    /// The line's end after a chunk is due.
    ChunkEnd,
}

impl Framing {
    fn of(status: u16, headers: &[Header<'_>]) -> Self {
        let value = |name: &str| {
            let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            header.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
        };
        let chunked = value("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().ends_with("chunked"));
        let length = value("content-length").and_then(|v| v.parse().ok());
        match (status, chunked, length) {
            (101 | 204 | 304, ..) | (_, false, Some(0)) => Self::Over,
            (_, true, _) => Self::ChunkSize,
            (_, _, Some(length)) => Self::Length(length),
            _ => Self::UntilClose,
        }
    }

    /// Moves what belongs to the body out of what was read. What is left waits for more.
    fn decode(&mut self, raw: &mut Vec<u8>, body: &mut Vec<u8>) -> Result<(), Trouble> {
        while !raw.is_empty() {
            *self = match *self {
                Self::Over => {
                    raw.clear();
                    Self::Over
                }
                Self::UntilClose => {
                    body.append(raw);
                    Self::UntilClose
                }
                Self::Length(left) => match left - take(left, raw, body) {
                    0 => Self::Over,
                    left => Self::Length(left),
                },
                Self::Chunk(left) => match left - take(left, raw, body) {
                    0 => Self::ChunkEnd,
                    left => Self::Chunk(left),
                },
                Self::ChunkEnd if raw.len() < 2 => break,
                Self::ChunkEnd if raw.starts_with(b"\r\n") => {
                    raw.drain(..2);
                    Self::ChunkSize
                }
                Self::ChunkEnd => return Err(Trouble::NotHttp),
                Self::ChunkSize => match parse_chunk_size(raw) {
                    Ok(Status::Partial) => break,
                    Ok(Status::Complete((_, 0))) => Self::Over,
                    Ok(Status::Complete((length, size))) => {
                        raw.drain(..length);
                        Self::Chunk(size)
                    }
                    Err(_) => return Err(Trouble::NotHttp),
                },
            };
        }
        Ok(())
    }
}

/// Moves up to so many bytes, and says how many.
fn take(most: u64, raw: &mut Vec<u8>, body: &mut Vec<u8>) -> u64 {
    let count = usize::try_from(most).map_or(raw.len(), |most| most.min(raw.len()));
    body.extend(raw.drain(..count));
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(framing: Framing, parts: &[&[u8]]) -> Result<(Vec<u8>, Framing), Trouble> {
        let (mut framing, mut raw, mut body) = (framing, Vec::new(), Vec::new());
        for part in parts {
            raw.extend_from_slice(part);
            framing.decode(&mut raw, &mut body)?;
        }
        Ok((body, framing))
    }

    fn framing(head: &str) -> Framing {
        Head::parse(head.as_bytes()).unwrap().unwrap().framing
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        assert_eq!(framing("HTTP/1.1 200 OK\r\n\r\n"), Framing::UntilClose);
        assert_eq!(framing("HTTP/1.0 200\r\ncontent-length: 7 \r\n\r\n"), Framing::Length(7));
        assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Framing::Over);
        assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\n"), Framing::UntilClose);
        assert_eq!(framing("HTTP/1.1 204 None\r\nContent-Length: 7\r\n\r\n"), Framing::Over);
        let both = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n";
        assert_eq!(framing(both), Framing::ChunkSize);
        assert_eq!(decode(Framing::Length(3), &[b"abcdef"]), Ok((b"abc".to_vec(), Framing::Over)));
    }

    #[test]
    fn broken_chunks_are_said() {
        for wrong in ["zz\r\n", "3\r\nabcdef", "fffffffffffffffff\r\n"] {
            assert_eq!(decode(Framing::ChunkSize, &[wrong.as_bytes()]), Err(Trouble::NotHttp), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn chunks_make_the_same_body_however_they_arrive(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            cuts in prop::collection::vec(1usize..9, 1..20),
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend(format!("{:x};x=y\r\n", chunk.len()).bytes().chain(chunk.iter().copied()));
                wire.extend(b"\r\n");
            }
            wire.extend(b"0\r\n\r\n");
            let (mut parts, mut rest) = (Vec::new(), wire.as_slice());
            for cut in cuts.iter().cycle() {
                let (part, after) = rest.split_at(rest.len().min(*cut));
                parts.push(part);
                rest = after;
                if rest.is_empty() { break }
            }
            prop_assert_eq!(decode(Framing::ChunkSize, &parts), Ok((chunks.concat(), Framing::Over)));
        }

        #[test]
        fn no_bytes_make_it_stumble(
            bytes in prop::collection::vec(any::<u8>(), 0..300), after in "HTTP/1\\.[01] [0-9]{3}[ a-z\r\n:]{0,40}"
        ) {
            let _ = Head::parse(&bytes);
            let _ = Head::parse(&[after.as_bytes(), &bytes].concat());
            let _ = decode(Framing::ChunkSize, &[&bytes]);
        }

        #[test]
        fn a_text_is_found_across_reads(
            before in "[ab]{0,30}", text in "[ab]{0,5}", after in "[ab]{0,30}", size in 1usize..7
        ) {
            let whole = format!("{before}{text}{after}");
            let found = |text: &str| {
                let (mut reader, text) = (Slow::new(whole.as_bytes(), size), text.to_owned());
                let (framing, left) = (Framing::UntilClose, BODY);
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let answer =
                    Answer { stream: &mut reader, status: 200, framing, raw: Vec::new(), left };
                runtime.block_on(async { let mut answer = answer; answer.contains(&text).await })
            };
            prop_assert_eq!(found(&text), Ok(true));
            prop_assert_eq!(found("ababa"), Ok(whole.contains("ababa")));
        }
    }

    #[tokio::test]
    async fn the_rest_of_an_answer_is_waited_for() {
        let mut slow = Slow::new(&[b'x'; 9000], 2000);
        let framing = Framing::Length(9000);
        Answer { stream: &mut slow, status: 503, framing, raw: Vec::new(), left: BODY }.drain().await;
        assert_eq!(slow.bytes.len(), 0);
    }

    /// Gives a few bytes at a time, each time when it is asked again.
    struct Slow<'a> {
        bytes: &'a [u8],
        size: usize,
        asked: bool,
    }

    impl<'a> Slow<'a> {
        fn new(bytes: &'a [u8], size: usize) -> Self {
            Self { bytes, size, asked: false }
        }
    }

    impl AsyncRead for Slow<'_> {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            self.asked = !self.asked;
            if self.asked {
                context.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            let count = self.size.min(self.bytes.len()).min(buffer.remaining());
            buffer.put_slice(&self.bytes[..count]);
            self.bytes = &self.bytes[count..];
            std::task::Poll::Ready(Ok(()))
        }
    }
}
