//! Looks by a GET request.

use super::*;

fn expecting(status: Option<u16>, body: Option<&str>) -> Probe {
    Probe::Http { url: "/health".into(), status, body: body.map(str::to_owned) }
}

/// What is seen of one that answers so.
async fn seen(answer: impl Into<Vec<u8>>, probe: Probe) -> (Observation, u16) {
    let port = serve(answer).await;
    (look(plan(probe, Some(port))).await, port)
}

/// That this answer is wrong, and why.
async fn is_ill(answer: impl Into<Vec<u8>>, probe: Probe, reason: &str) {
    let (seen, port) = seen(answer, probe).await;
    assert_eq!(seen, ill(format!("GET http://127.0.0.1:{port}/health{reason}")));
}

#[tokio::test]
async fn what_is_expected_is_well() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n6\r\n fine!\r\n0\r\n\r\n";
    let interim = "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nall fine";
    for (answer, status, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", None, None),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", None, None),
        ("HTTP/1.0 503 Busy\r\n\r\n", Some(503), None),
        ("HTTP/1.1 204 None\r\n\r\n", None, None),
        ("HTTP/1.1 200 OK\r\n\r\nsaid: all fine", Some(200), Some("all fine")),
        ("HTTP/1.1 200 OK\r\n\r\n", None, Some("")),
        ("HTTP/1.1 200\r\n\r\n", None, None),
        (chunked, None, Some("all fine!")),
        (interim, None, Some("all fine")),
    ] {
        assert_eq!(seen(answer, expecting(status, body)).await.0, Well, "{answer}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_with_where() {
    let busy = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy";
    is_ill(busy, expecting(Some(200), None), " answered 503, not 200").await;
    is_ill(busy, expecting(None, Some("busy")), " answered 503, not 200 to 399").await;
    let other = " answered 200 without the text `fine` in its first 64 KiB";
    is_ill("HTTP/1.1 200 OK\r\n\r\nbroken", expecting(None, Some("fine")), other).await;
    is_ill("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlongfine", expecting(None, Some("fine")), other)
        .await;
    is_ill("", expecting(None, None), ": the connection was closed without an answer").await;
    is_ill("HTTP/1.1 20", expecting(None, None), ": the connection was closed without an answer").await;
    is_ill("SSH-2.0-OpenSSH\r\n", expecting(None, None), ": the answer is not HTTP").await;
    is_ill(vec![0xff; 100], expecting(None, None), ": the answer is not HTTP").await;
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense";
    is_ill(chunks, expecting(None, Some("fine")), ": the answer is not HTTP").await;
}

#[tokio::test]
async fn an_answer_without_end_is_left_where_enough_was_read() {
    let long = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 10_000_000], b"fine".to_vec()].concat();
    let reason = " answered 200 without the text `fine` in its first 64 KiB";
    is_ill(long.clone(), expecting(None, Some("fine")), reason).await;
    assert_eq!(seen(long, expecting(None, None)).await.0, Well);
    let head = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 1_000_000]].concat();
    is_ill(head, expecting(None, None), ": the head of the answer is longer than 16 KiB").await;
    let lines = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(500));
    is_ill(lines, expecting(None, None), ": the head of the answer is longer than 16 KiB").await;
    let interim = "HTTP/1.1 100 Wait\r\n\r\n".repeat(10_000);
    is_ill(interim, expecting(None, None), ": the head of the answer is longer than 16 KiB").await;
}

/// Such as a stream of events.
#[tokio::test]
async fn a_body_that_never_comes_is_waited_for_only_when_it_matters() {
    let (listener, port) = listen("127.0.0.1:0").await;
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\ndata: well\n\n").await.unwrap();
            open.push(stream);
        }
    });
    assert_eq!(look(plan(get("/"), Some(port))).await, Well);
    assert_eq!(look(plan(expecting(None, Some("data: well")), Some(port))).await, Well);
    let waits = ProbePlan { timeout: BRIEF, ..plan(expecting(None, Some("more")), Some(port)) };
    let late = ill(format!("GET http://127.0.0.1:{port}/health: no answer within 0.3 s"));
    assert_eq!(look(waits).await, late);
}

#[tokio::test]
async fn one_that_accepts_and_is_silent_costs_its_time_and_no_more() {
    let (_listener, port) = listen("127.0.0.1:0").await;
    let (began, silent) = (Instant::now(), ProbePlan { timeout: BRIEF, ..plan(get("/"), Some(port)) });
    assert_eq!(look(silent).await, ill(format!("GET http://127.0.0.1:{port}/: no answer within 0.3 s")));
    assert!(began.elapsed() >= BRIEF && began.elapsed() < LONG);
}

#[tokio::test]
async fn byte_by_byte_is_an_answer_too() {
    let (listener, port) = listen("127.0.0.1:0").await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n" {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(look(plan(expecting(Some(200), Some("fine")), Some(port))).await, Well);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (elsewhere, other) = listen("127.0.0.1:0").await;
    let moved = format!("HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:{other}/\r\n\r\n");
    is_ill(moved, expecting(Some(200), None), " answered 301, not 200").await;
    let visited = tokio::time::timeout(Duration::ZERO, elsewhere.accept()).await;
    assert!(visited.is_err(), "{visited:?}");
}

#[tokio::test]
async fn asks_once_and_keeps_no_connection() {
    let (listener, port) = listen("127.0.0.1:0").await;
    let app = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let after = stream.read(&mut [0; 1]).await.unwrap();
        (asked, after)
    });
    let prober = Prober::new(plan(get("/health?deep=1"), Some(port)));
    assert_eq!(prober.look().await, Well);
    let (asked, after) = app.await.unwrap();
    let mut lines = asked.lines();
    assert_eq!(lines.next(), Some("GET /health?deep=1 HTTP/1.1"));
    assert_eq!(lines.next(), Some(format!("Host: 127.0.0.1:{port}").as_str()));
    assert!(asked.contains("\r\nConnection: close\r\n"), "{asked}");
    assert_eq!(after, 0, "the connection is closed while the prober is still there");
}

#[tokio::test]
async fn an_app_is_not_cut_off_in_the_middle_of_its_answer() {
    let (listener, port) = listen("127.0.0.1:0").await;
    let app = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        // All at once, because the rest is not waited for very long, and more than is read with the head.
        let head = b"HTTP/1.1 503 Busy\r\nContent-Length: 12000\r\n\r\n";
        stream.write_all(&[head, &[b'x'; 12_000][..]].concat()).await.unwrap();
        stream.read(&mut [0; 1]).await
    });
    let seen = look(plan(get("/"), Some(port))).await;
    assert_eq!(seen, ill(format!("GET http://127.0.0.1:{port}/ answered 503, not 200 to 399")));
    // Cut off it would be reset.
    assert_eq!(app.await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn an_app_on_ipv6_alone_is_found() {
    let Some((_held, listener, port)) = listen_on_ipv6().await else { return };
    serve_on(listener, "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(look(plan(get("/"), Some(port))).await, Well);
    assert_eq!(look(plan(get(&format!("http://[::1]:{port}/")), None)).await, Well);
    assert_eq!(look(plan(get(&format!("http://localhost:{port}")), None)).await, Well);
}

#[tokio::test]
async fn nobody_there_is_said() {
    let (_held, port) = free_port();
    assert_eq!(look(plan(get("/"), Some(port))).await, ill(format!("Nobody listens on port {port}")));
    let whole = look(plan(get(&format!("http://localhost:{port}/x")), None)).await;
    let reason = format!("GET http://localhost:{port}/x: nobody listens on port {port} there");
    assert_eq!(whole, ill(reason));
}

#[tokio::test]
async fn an_address_that_is_none_is_said() {
    for (url, reason) in [
        ("/health", "`/health` needs a web port: the app has none"),
        ("http://", "`http://` is no web address: empty string"),
        ("http://a b/", "`http://a b/` is no web address: invalid uri character"),
        ("ftp://box/", "`ftp://box/` is no web address: it needs `http://` or `https://`"),
        ("http://me:secret@box/", "The address of a check cannot carry a name and a password"),
    ] {
        assert_eq!(look(plan(get(url), None)).await, ill(reason));
    }
    let injected = look(plan(get("/ HTTP/1.1\r\nX: y"), Some(1))).await;
    assert_eq!(injected, ill("`/ HTTP/1.1  X: y` is no web address: invalid uri character"));
}
