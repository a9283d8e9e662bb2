//! Looks at real servers and real command lines, the bad ones above all.

use std::time::Instant;

use mantyx_core::Observation::{self, Ill, Well};
use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;

mod exec;
mod http;
mod secure;

/// Longer than anything here takes, also on a machine that is busy with something else.
const LONG: Duration = Duration::from_secs(60);

/// For what never comes.
const BRIEF: Duration = Duration::from_millis(300);

/// A look at this, by an app in this folder.
fn plan(probe: Probe, web_port: Option<u16>) -> ProbePlan {
    let exec = ExecContext {
        environment: BTreeMap::new(),
        directory: "/".into(),
        identity: None,
        confinement: None,
    };
    ProbePlan { probe, web_port, exec, timeout: LONG }
}

async fn look(plan: ProbePlan) -> Observation {
    Prober::new(plan).look().await
}

fn get(url: &str) -> Probe {
    Probe::Http { url: url.into(), status: None, body: None }
}

fn ill(reason: impl Into<String>) -> Observation {
    Ill(reason.into())
}

async fn listen(address: &str) -> (TcpListener, u16) {
    let listener = TcpListener::bind(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Listens on IPv6 alone, at a port where nobody else listens on IPv4 as long as the socket is held. Not every machine
/// has IPv6.
async fn listen_on_ipv6() -> Option<(TcpSocket, TcpListener, u16)> {
    for _ in 0..100 {
        let (held, port) = free_port();
        match TcpListener::bind(("::1", port)).await {
            Ok(listener) => return Some((held, listener, port)),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::ADDRINUSE) => {}
                Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT) => return None,
                _ => panic!("{error}"),
            },
        }
    }
    panic!("somebody has a hundred ports");
}

/// A port on which nobody listens, and nobody else can as long as the socket is held.
fn free_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// Reads a request up to its end.
async fn request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") && matches!(stream.read_buf(&mut read).await, Ok(1..)) {}
    String::from_utf8(read).unwrap()
}

/// Answers everybody with these bytes, and closes.
async fn serve(answer: impl Into<Vec<u8>>) -> u16 {
    let (listener, port) = listen("127.0.0.1:0").await;
    serve_on(listener, answer);
    port
}

fn serve_on(listener: TcpListener, answer: impl Into<Vec<u8>>) {
    let answer = answer.into();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await;
            let _ = stream.write_all(&answer).await;
        }
    });
}

#[tokio::test]
async fn without_a_probe_an_app_that_is_alive_is_well() {
    assert_eq!(look(plan(Probe::None, None)).await, Well);
}

#[tokio::test]
async fn a_connection_is_enough_for_tcp() {
    let (_listener, port) = listen("127.0.0.1:0").await;
    assert_eq!(look(plan(Probe::Tcp { port: Some(port) }, None)).await, Well);
    assert_eq!(look(plan(Probe::Tcp { port: None }, Some(port))).await, Well);
    let (_held, free) = free_port();
    let nobody = look(plan(Probe::Tcp { port: Some(free) }, Some(port))).await;
    assert_eq!(nobody, ill(format!("Nobody listens on port {free}")));
    let nowhere = look(plan(Probe::Tcp { port: None }, None)).await;
    assert_eq!(nowhere, ill("The check names no port, and the app has no web port"));
}

#[tokio::test]
async fn a_connection_over_ipv6_is_one_too() {
    let Some((_held, _listener, port)) = listen_on_ipv6().await else { return };
    assert_eq!(look(plan(Probe::Tcp { port: None }, Some(port))).await, Well);
}

#[tokio::test]
async fn one_whose_queue_is_full_gives_no_answer_in_time() {
    let (socket, port) = free_port();
    let _listener = socket.listen(0).unwrap();
    let _first = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let look = Prober::new(ProbePlan { timeout: BRIEF, ..plan(Probe::Tcp { port: None }, Some(port)) });
    assert_eq!(look.look().await, ill(format!("Port {port} accepts no connection within 0.3 s")));
}

#[test]
fn texts_of_others_fit_into_a_sentence() {
    assert_eq!(short(" two\nlines\u{1b}[0m "), "two lines [0m");
    assert_eq!(short(&"é".repeat(200)), "é".repeat(200));
    assert_eq!(short(&"é".repeat(201)), "é".repeat(199) + "…");
}
