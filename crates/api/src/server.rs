//! The server: everything that handlers share, the app that actix runs in each worker, and its beginning and end.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::num::NonZeroUsize;

use actix_http::Request;
use actix_service::{IntoServiceFactory as _, Service, fn_factory};
use actix_web::App;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Bytes, Data};
use mantyx_core::{Error, Result};
use mantyx_operations::Mantyx;
use tokio::sync::watch;
use utoipa_actix_web::AppExt;

use crate::connections::Connections;
use crate::gate::Gate;
use crate::origin::Hosts;
use crate::page::PageFolder;
use crate::replays::Replays;
use crate::routes::{self, Methods};
use crate::runtime::{Daemon, Worker};
use crate::schedules::Turn;
use crate::settings::OneByOne;
use crate::{access, docs, document, idempotency, inputs, origin, shell};

/// Requests are short and wait for the database: more workers would only cost memory.
const MOST_WORKERS: usize = 4;

/// Threads of a worker that read files of the page and write uploads.
const BLOCKING_THREADS: usize = 4;

/// Seconds for requests that are under way when the daemon goes down.
const SHUTDOWN_SECONDS: u64 = 5;

/// The OpenAPI document, written once, with what follows from it.
pub struct Document {
    pub(crate) json: Bytes,
    pub(crate) methods: Methods,
}

impl Document {
    /// Has the handlers say what they are. It takes several milliseconds and needs no Mantyx.
    pub fn write() -> Result<Self> {
        let document = document::openapi();
        let json = document.to_json().map_err(|e| Error::internal("write the OpenAPI document", e))?;
        Ok(Self { json: json.into(), methods: Methods::of(&document) })
    }
}

/// Everything that handlers share.
#[derive(Clone)]
pub struct Server {
    mantyx: Data<Mantyx>,
    hosts: Data<Hosts>,
    page: Data<PageFolder>,
    document: Data<Document>,
    gate: Data<Gate>,
    replays: Data<Replays>,
    turn: Data<Turn>,
    one_by_one: Data<OneByOne>,
    daemon: Data<Daemon>,
    ended: watch::Sender<()>,
}

impl Server {
    /// Prepares to serve this Mantyx. It is called on the runtime that everything lives on.
    pub fn new(mantyx: Mantyx) -> Result<Self> {
        Self::with(mantyx, Document::write()?)
    }

    /// The same with a document that has been written meanwhile.
    pub fn with(mantyx: Mantyx, document: Document) -> Result<Self> {
        let settings = mantyx.settings();
        let machine = rustix::system::uname();
        let hosts = Hosts::new(&machine.nodename().to_string_lossy(), &settings.allowed_hosts);
        let page = PageFolder::new(settings.page_folder()?);
        Ok(Self {
            gate: Data::new(Gate::new(&mantyx)),
            mantyx: Data::new(mantyx),
            hosts: Data::new(hosts),
            page: Data::new(page),
            document: Data::new(document),
            replays: Data::default(),
            turn: Data::default(),
            one_by_one: Data::default(),
            daemon: Data::new(Daemon::current()),
            ended: watch::Sender::default(),
        })
    }

    /// Is marked as changed whenever a connection has ended.
    #[must_use]
    pub fn watch_ends(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    /// The app that answers, for the worker that this is called on.
    pub fn app(
        &self,
    ) -> App<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<impl MessageBody + use<>>,
            Error = actix_web::Error,
            InitError = (),
        > + use<>,
    > {
        let (app, _) = App::new().into_utoipa_app().configure(routes::api).split_for_parts();
        app.configure(inputs::configure)
            .configure(docs::configure)
            .app_data(self.mantyx.clone())
            .app_data(self.hosts.clone())
            .app_data(self.page.clone())
            .app_data(self.document.clone())
            .app_data(self.gate.clone())
            .app_data(self.replays.clone())
            .app_data(self.turn.clone())
            .app_data(self.one_by_one.clone())
            .app_data(self.daemon.clone())
            .app_data(Data::new(Worker::current()))
            .default_service(web::to(routes::fallback))
            // The last one is the outermost.
            .wrap(from_fn(idempotency::replay))
            .wrap(from_fn(access::identify))
            .wrap(from_fn(origin::guard))
            .wrap(from_fn(shell::shell))
    }

    /// The connections of the worker that this is called on.
    async fn connections(
        self,
    ) -> std::result::Result<
        Connections<
            impl Service<Request, Response = ServiceResponse<impl MessageBody + use<>>, Error = actix_web::Error>
            + use<>,
        >,
        (),
    > {
        let app = self.app().into_factory().new_service(AppConfig::default()).await?;
        Ok(Connections::new(app, self.gate.closing(), self.ended))
    }

    /// Serves until `end`, then lets requests that are under way finish.
    pub async fn serve(self, listener: TcpListener, end: impl Future<Output = ()>) -> io::Result<()> {
        let gate = self.gate.clone();
        let workers =
            std::thread::available_parallelism().map_or(2, NonZeroUsize::get).clamp(2, MOST_WORKERS);
        let server = actix_web::dev::Server::build()
            .workers(workers)
            .worker_max_blocking_threads(BLOCKING_THREADS)
            .shutdown_timeout(SHUTDOWN_SECONDS)
            .disable_signals()
            .listen("mantyx", listener, move || {
                let server = self.clone();
                fn_factory(move || server.clone().connections())
            })?
            .run();
        let handle = server.handle();
        tokio::pin!(server);
        tokio::select! {
            outcome = &mut server => outcome,
            () = end => {
                gate.close();
                tokio::join!(handle.stop(true), server).1
            }
        }
    }
}
