//! Looks over HTTPS, at an app with a certificate that nobody signed.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::super::tls::{Trust, secure};
use super::*;

/// For `app.invalid`, by itself, for a hundred years.
const CERTIFICATE: &[u8] = include_bytes!("certificate.der");
const KEY: &[u8] = include_bytes!("key.der");

/// Answers everybody over TLS.
async fn serve_secure() -> u16 {
    let (certificate, key) = (CertificateDer::from(CERTIFICATE), PrivateKeyDer::try_from(KEY).unwrap());
    let configuration = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (acceptor, (listener, port)) =
        (TlsAcceptor::from(Arc::new(configuration)), listen("127.0.0.1:0").await);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                request(&mut stream).await;
                // It closes without a word, as many do.
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nall fine").await;
                let _ = stream.flush().await;
            }
        }
    });
    port
}

#[tokio::test]
async fn an_app_of_this_machine_may_bring_its_own_certificate() {
    let url = format!("https://127.0.0.1:{}/health", serve_secure().await);
    let found = Probe::Http { url: url.clone(), status: Some(200), body: Some("all fine".into()) };
    assert_eq!(look(plan(found, None)).await, Well);
    let missing = Probe::Http { url: url.clone(), status: None, body: Some("well".into()) };
    let reason = format!("GET {url} answered 200 without the text `well` in its first 64 KiB");
    assert_eq!(look(plan(missing, None)).await, ill(reason));
}

#[tokio::test]
async fn elsewhere_it_may_not() {
    let port = serve_secure().await;
    let connect = || async { TcpStream::connect(("127.0.0.1", port)).await.unwrap() };
    assert_eq!(Trust::of(&connect().await), Trust::Anybody);
    assert!(secure(connect().await, "app.invalid", Trust::Anybody).await.is_ok());
    assert!(secure(connect().await, "app.invalid", Trust::Known).await.is_err());
}

#[tokio::test]
async fn plain_and_secure_are_told_apart() {
    let (listener, plain) = listen("127.0.0.1:0").await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad\r\n\r\n").await.unwrap();
    });
    let Ill(reason) = look(plan(get(&format!("https://127.0.0.1:{plain}/")), None)).await else {
        panic!("a plain server is not secure");
    };
    assert!(
        reason.starts_with(&format!("GET https://127.0.0.1:{plain}/: no secure connection: ")),
        "{reason}"
    );
    let port = serve_secure().await;
    let seen = look(plan(get("/"), Some(port))).await;
    assert_eq!(seen, ill(format!("GET http://127.0.0.1:{port}/: the answer is not HTTP")));
}
