//! The server rests between two connections, and nobody who comes meanwhile notices.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::server::Api;

/// Asks on a connection of its own, which the answer ends.
async fn ask_once(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET /health HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_as_the_last_one_leaves_is_served() {
    let api = Api::start().await;
    let address: SocketAddr = api.url.trim_start_matches("http://").parse().unwrap();
    // With as many clients as workers, one now and then finds a worker that has just been left by its last.
    let mut clients = JoinSet::new();
    for _ in 0..2 {
        clients.spawn(async move {
            for _ in 0..200 {
                let answer = ask_once(address).await;
                assert!(
                    answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.contains("\r\ndate: "),
                    "{answer}"
                );
            }
        });
    }
    clients.join_all().await;
    api.end().await;
}
