//! A Mantyx that answers over HTTP, in a folder of its own, in one line.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use mantyx_api::Server;
use mantyx_api_types::{NewToken, Problem};
use mantyx_core::{Actor, Code, Scope};
use mantyx_operations::Mantyx;
use mantyx_settings::Settings;
use reqwest::{Client, Method, RequestBuilder, Response};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// It serves until it is ended or dropped.
pub(crate) struct Api {
    pub(crate) mantyx: Mantyx,
    pub(crate) url: String,
    client: Client,
    end: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<std::io::Result<()>>>,
    root: tempfile::TempDir,
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// One that can run apps, and takes them along when it ends.
    pub(crate) async fn running() -> Self {
        let monitor = monitor_program().display().to_string();
        Self::with(&[("monitor", &monitor), ("stop-apps-on-shutdown", "true")]).await
    }

    /// With these settings beside the defaults.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path());
        let mut flags: BTreeMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let page = root.path().join("page");
        std::fs::create_dir(&page).unwrap();
        flags.entry("page".into()).or_insert_with(|| page.display().to_string());
        let settings = Settings::load(Some(root.path().join("root")), flags, std::iter::empty()).unwrap();
        let mantyx = Mantyx::open(settings).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (end, ended) = oneshot::channel();
        let server = Server::new(mantyx.clone()).unwrap();
        let serving = tokio::spawn(server.serve(listener, async move {
            let _ = ended.await;
        }));
        // No proxy that the machine may have reaches what listens on loopback here.
        let client = Client::builder().no_proxy().build().unwrap();
        Self { mantyx, url, client, end: Some(end), serving: Some(serving), root }
    }

    /// The secret of a new token.
    pub(crate) async fn token(&self, scope: Scope) -> String {
        let new = NewToken { name: format!("a test with {}", scope.as_str()), scope, expires_in: None };
        self.mantyx.create_token(&Actor::Mantyx, new).await.unwrap().secret
    }

    /// The folder that holds everything.
    pub(crate) fn root(&self) -> PathBuf {
        self.root.path().join("root")
    }

    /// A request without credentials.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", self.url))
    }

    /// Ends the server and waits until it is gone.
    pub(crate) async fn end(mut self) {
        self.end.take().unwrap().send(()).unwrap();
        self.serving.take().unwrap().await.unwrap().unwrap();
        self.mantyx.shutdown().await;
    }
}

/// The problem of a response, with its media type checked.
pub(crate) async fn problem(response: Response) -> Problem {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let status = response.status().as_u16();
    let problem: Problem = response.json().await.unwrap();
    assert_eq!(problem.status, status);
    problem
}

/// The code of a request that is refused.
pub(crate) async fn refusal(request: RequestBuilder) -> Code {
    problem(request.send().await.unwrap()).await.code
}

/// Apps run as somebody else than a daemon that is root, who must be able to enter; and uv is fetched once for all tests.
fn prepare(root: &Path) {
    let shared = env::temp_dir().join(format!("mantyx-test-cache-{}", rustix::process::geteuid()));
    let cache = root.join("root/cache");
    fs::create_dir_all(&cache).unwrap();
    for name in ["packages", "tools"] {
        fs::create_dir_all(shared.join(name)).unwrap();
        symlink(shared.join(name), cache.join(name)).unwrap();
    }
    let open = [&shared, &shared.join("packages"), &shared.join("tools"), root, &root.join("root"), &cache];
    for folder in open {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
}

/// The program that owns each process: where `cargo xtask test` says, or else beside this one.
fn monitor_program() -> PathBuf {
    let beside = || env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
    let program = env::var_os("TEST_PROGRAMS").map_or_else(beside, PathBuf::from).join("mantyx-monitor");
    assert!(program.is_file(), "`{}` is not built: run `cargo build -p mantyx-monitor`", program.display());
    program
}
