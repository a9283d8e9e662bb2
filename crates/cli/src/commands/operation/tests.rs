//! Long work as it is told, by a server that goes by a script.

use std::sync::{Arc, Mutex};

use super::*;
use crate::client::tests::client_of;
use chrono::DateTime;
use mantyx_api_types::LogSource;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const ID: &str = "01990000-0000-7000-8000-000000000000";

/// The log of an operation that has one line.
const LOG: &str = "data: {\"at\": \"2026-01-01T00:00:00Z\", \"stream\": \"stderr\", \"source\": {\"kind\": \
                   \"operation\", \"id\": \"01990000-0000-7000-8000-000000000000\"}, \"text\": \"Resolved\", \
                   \"partial\": false}\n\nevent: end\ndata: {}\n\n";

fn operation(status: &str, step: &str, problem: Option<&str>) -> Value {
    let problem =
        problem.map(|why| json!({"type": "", "title": "", "status": 422, "detail": why, "code": "invalid"}));
    json!({
        "id": ID, "kind": "update", "app_id": ID, "app": "weather", "status": status, "cancellable": false,
        "steps": [{
            "name": "watch", "title": "See that it is well", "status": step, "detail": null, "started_at": null,
            "finished_at": null
        }],
        "problem": problem, "started_at": "2026-01-01T00:00:00Z", "finished_at": null
    })
}

/// A server with the log of an operation, that answers who reads the operation with one view after the other, and closes
/// the connection without an answer where there is none. The last view stays. It gives the paths that were asked for.
async fn server(mut views: Vec<Option<Value>>) -> (Client, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let paths = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&paths);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let path = read_path(&mut stream).await;
            let body = match path.contains("/log") {
                true => Some(LOG.to_owned()),
                false if views.len() > 1 => views.remove(0).map(|view| view.to_string()),
                false => views[0].as_ref().map(ToString::to_string),
            };
            heard.lock().unwrap().push(path);
            if let Some(body) = body {
                let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}");
                // Who was answered enough is gone before the last byte.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    (client_of(&url), paths)
}

async fn read_path(stream: &mut TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
    first.split(' ').nth(1).unwrap().to_owned()
}

fn begun() -> OperationView {
    serde_json::from_value(operation("running", "running", None)).unwrap()
}

#[tokio::test]
async fn what_fails_is_followed_through_an_outage_until_it_is_undone() {
    let running = || Some(operation("running", "running", None));
    let failing = operation("running", "failed", Some("It is not well"));
    let failed = operation("failed", "failed", Some("It is not well"));
    let (client, paths) = server(vec![running(), None, Some(failing), Some(failed)]).await;
    let failure = follow(&client, begun()).await.unwrap_err();
    let expected = "\
error: It is not well
failed at: See that it is well (step 1 of 1)
undone: everything is as it was
";
    assert_eq!(failure.to_string(), expected);
    let paths = paths.lock().unwrap().clone();
    let looks = paths.iter().filter(|path| path.ends_with("?wait=1")).count();
    assert_eq!((looks, paths.len()), (4, 5), "{paths:?}");
}

#[tokio::test]
async fn what_succeeds_is_given_back_in_whatever_way_it_was_waited_for() {
    let views =
        || vec![Some(operation("running", "running", None)), Some(operation("succeeded", "done", None))];
    let (client, _) = server(views()).await;
    assert_eq!(follow(&client, begun()).await.unwrap().status, OperationStatus::Succeeded);
    let (client, paths) = server(views()).await;
    assert_eq!(finish(&client, begun()).await.unwrap().status, OperationStatus::Succeeded);
    assert!(paths.lock().unwrap().iter().all(|path| path.ends_with("?wait=3600")));
}

#[test]
fn a_line_in_pieces_is_told_once_as_it_is_seen_in_the_end() {
    use LogStream::{Stderr, Stdout};
    let source = LogSource::Operation(OperationId::generate());
    let long = "x".repeat(LONGEST);
    let mut whole = Whole::default();
    let pieces = [
        (Stdout, "\r1 %", true),
        (Stderr, "begun, ", true),
        (Stdout, "\r50 %\r", true),
        (Stderr, "done", false),
        (Stdout, "all\r", false),
        (Stdout, &long, true),
        (Stdout, "its end", false),
        (Stdout, "no end", true),
    ];
    let line = |(stream, text, partial): (LogStream, &str, bool)| {
        let (at, text) = (DateTime::UNIX_EPOCH, text.to_owned());
        LogLine { at, stream, source, text, partial }
    };
    let told: Vec<String> = pieces.into_iter().filter_map(|piece| whole.take(line(piece))).collect();
    assert_eq!(told, ["begun, done", "all", &long, "its end"]);
    assert_eq!(whole.rest(), ["no end"]);
}
