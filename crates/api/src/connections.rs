//! HTTP for as long as somebody is connected.
//!
//! The service that actix makes of an app keeps a clock, for the `Date` of answers and for time-outs, which ticks
//! twice a second until the service goes. `HttpServer` has one in each worker from the beginning to the end. Here it
//! comes with the first connection to a worker and goes with the last, so a daemon that nobody asks sleeps. The app
//! itself stays: the first request after a rest waits for nothing but a clock to be set up.

use std::cell::RefCell;
use std::future::ready;
use std::rc::{Rc, Weak};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Request};
use actix_service::boxed::{BoxFuture, rc_service};
use actix_service::{Service, ServiceFactory, always_ready, fn_factory};
use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::rt::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// For how long a client may hold up the end of its connection.
const DISCONNECT: Duration = Duration::from_secs(1);

/// What serves connections while there are any.
type Http = dyn Service<TcpStream, Response = (), Error = DispatchError, Future = BoxFuture<Outcome>>;

/// How a connection ended.
type Outcome = Result<(), DispatchError>;

/// The connections of one worker.
pub(crate) struct Connections<A>(Rc<Inner<A>>);

struct Inner<A> {
    app: Rc<A>,
    http: RefCell<Option<Weak<Http>>>,
    closing: CancellationToken,
    ended: watch::Sender<()>,
}

impl<A, B> Connections<A>
where
    A: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    /// Connections on which an app answers. Those that wait for a next request are closed with `closing`, and `ended`
    /// is marked as changed whenever one is over.
    pub(crate) fn new(app: A, closing: CancellationToken, ended: watch::Sender<()>) -> Self {
        Self(Rc::new(Inner { app: Rc::new(app), http: RefCell::default(), closing, ended }))
    }
}

impl<A, B> Inner<A>
where
    A: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    /// What serves the connections that there are, or is made for the first.
    async fn http(&self) -> Result<Rc<Http>, ()> {
        if let Some(http) = self.http.borrow().as_ref().and_then(Weak::upgrade) {
            return Ok(http);
        }
        let (app, closing) = (Rc::clone(&self.app), self.closing.clone());
        let service = HttpService::build()
            // Who hangs up waits for nothing: a search that finds nothing in gigabytes would go on without anybody.
            .h1_allow_half_closed(false)
            .client_disconnect_timeout(DISCONNECT)
            .graceful_shutdown_signal(move || closing.clone().cancelled_owned())
            .finish(fn_factory(move || ready(Ok::<_, ()>(Rc::clone(&app)))))
            .tcp();
        let http: Rc<Http> = rc_service(service.new_service(()).await?);
        *self.http.borrow_mut() = Some(Rc::downgrade(&http));
        Ok(http)
    }

    async fn serve(self: Rc<Self>, stream: TcpStream) -> Result<(), ()> {
        let http = self.http().await?;
        let outcome = http.call(stream).await;
        drop(http);
        self.ended.send_replace(());
        // How a client behaved is nobody's business: what matters of a request was logged with it.
        outcome.map_err(drop)
    }
}

impl<A, B> Service<TcpStream> for Connections<A>
where
    A: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ();
    type Error = ();
    type Future = BoxFuture<Result<(), ()>>;

    always_ready!();

    fn call(&self, stream: TcpStream) -> Self::Future {
        Box::pin(Rc::clone(&self.0).serve(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_service::IntoServiceFactory as _;
    use actix_web::dev::AppConfig;
    use actix_web::rt::spawn;
    use actix_web::rt::task::JoinHandle;
    use actix_web::{App, web};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    impl<A> Connections<A> {
        fn now(&self) -> Option<Rc<Http>> {
            self.0.http.borrow().as_ref().and_then(Weak::upgrade)
        }
    }

    /// A client, and the connection that serves it.
    async fn connect(serve: impl Fn(TcpStream) -> BoxFuture<Result<(), ()>>) -> (TcpStream, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let connection = serve(listener.accept().await.unwrap().0);
        let serving = spawn(async move { connection.await.unwrap() });
        (client, serving)
    }

    /// Asks, and reads until the answer is there.
    async fn ask(client: &mut TcpStream) {
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"hello") {
            assert!(client.read_buf(&mut heard).await.unwrap() > 0, "{}", String::from_utf8_lossy(&heard));
        }
    }

    #[actix_web::test]
    async fn the_clock_comes_with_the_first_connection_and_goes_with_the_last() {
        let app = App::new().default_service(web::to(|| async { "hello" }));
        let app = app.into_factory().new_service(AppConfig::default()).await.unwrap();
        let ended = watch::Sender::default();
        let mut ends = ended.subscribe();
        let connections = Connections::new(app, CancellationToken::new(), ended);
        for _ in 0..2 {
            assert!(connections.now().is_none());
            let (mut one, first) = connect(|stream| connections.call(stream)).await;
            let (mut other, second) = connect(|stream| connections.call(stream)).await;
            ask(&mut one).await;
            let at_first = Rc::downgrade(&connections.now().unwrap());
            ask(&mut other).await;
            assert!(Weak::ptr_eq(&at_first, &Rc::downgrade(&connections.now().unwrap())));
            drop(one);
            first.await.unwrap();
            assert!(connections.now().is_some() && ends.has_changed().unwrap());
            ends.mark_unchanged();
            drop(other);
            second.await.unwrap();
            assert!(at_first.upgrade().is_none() && ends.has_changed().unwrap());
        }
    }

    #[actix_web::test]
    async fn a_connection_that_waits_for_a_next_request_ends_with_the_daemon() {
        let app = App::new().default_service(web::to(|| async { "hello" }));
        let app = app.into_factory().new_service(AppConfig::default()).await.unwrap();
        let closing = CancellationToken::new();
        let connections = Connections::new(app, closing.clone(), watch::Sender::default());
        let (mut client, serving) = connect(|stream| connections.call(stream)).await;
        ask(&mut client).await;
        closing.cancel();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        serving.await.unwrap();
    }
}
