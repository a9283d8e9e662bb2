//! A Mantyx in a folder of its own, with apps that are rows and folders, and have no processes.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use mantyx_api_types::{OperationView, TokenView};
use mantyx_core::{
    Actor, AppEvent, AppId, AppName, AppType, Configuration, EnvironmentId, Found, Launch, OperationId,
    OperationKind, OperationStatus, Origin, Result, Scope, TokenId,
};
use mantyx_registry::tables::operations::{self, Operation};
use mantyx_registry::tables::{environments, instances, releases};
use mantyx_registry::{AppDraft, Change, Json, Read, Word, create_app};
use mantyx_settings::Settings;
use serde_json::Value;
use tempfile::TempDir;

use crate::mantyx::{Caller, Mantyx};

/// Far longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Mantyx that came up in an empty root.
pub(crate) struct Scene {
    pub(crate) mantyx: Mantyx,
    _root: TempDir,
}

impl Scene {
    pub(crate) async fn open(flags: &[(&str, &str)]) -> Self {
        let root = TempDir::new().unwrap();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut flags: BTreeMap<String, String> = flags.iter().map(own).collect();
        flags.insert("app_user".into(), "root".into());
        let settings = Settings::load(Some(root.path().join("root")), flags, std::iter::empty()).unwrap();
        let mantyx = Mantyx::open(settings).await.unwrap();
        // Its own first look at everything would see what a test is about to do, or not.
        let looked = async {
            while mantyx.reconciled().is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, looked).await.unwrap();
        Self { mantyx, _root: root }
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Read<'_>) -> Result<T> + Send + 'static,
    ) -> T {
        self.mantyx.registry().read(read).await.unwrap()
    }

    pub(crate) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Change<'_, '_>) -> Result<T> + Send + 'static,
    ) -> T {
        self.mantyx.registry().change(&Actor::Mantyx, change).await.unwrap()
    }

    /// An app with the source of its first release, as configured.
    pub(crate) async fn app_with(
        &self,
        text: &str,
        configure: impl FnOnce(&mut Configuration) + Send + 'static,
    ) -> AppId {
        let app = name(text);
        let (release, data) = (self.release(text, 1), self.mantyx.layout().app_data(&app));
        fs::create_dir_all(&release).unwrap();
        fs::create_dir_all(&data).unwrap();
        fs::write(release.join("main.py"), "print()\n").unwrap();
        fs::write(data.join("kept"), text).unwrap();
        self.change(move |change| {
            let mut draft = draft(app, AppType::Scheduled);
            configure(&mut draft.configuration);
            create_app(change, draft).map(|app| app.id.0)
        })
        .await
    }

    pub(crate) async fn app(&self, text: &str) -> AppId {
        self.app_with(text, |_| {}).await
    }

    /// The row of an environment for the active release, which makes the app an installed one.
    pub(crate) async fn install(&self, app: AppId) -> EnvironmentId {
        self.change(move |change| {
            let environment = environment(app, change);
            environments::insert(change, &environment)?;
            let release = instances::of_app(change, app)?.release_id.0;
            releases::set_environment(change, release, &environment)?;
            change.apply(app, AppEvent::Install, None)?;
            Ok(environment.id.0)
        })
        .await
    }

    pub(crate) fn release(&self, app: &str, number: u32) -> PathBuf {
        self.mantyx.layout().release(&name(app), number)
    }

    /// Writes down that an operation is or was there; nobody carries it out.
    pub(crate) async fn operation(&self, app: Option<AppId>, kind: OperationKind) -> OperationId {
        self.operation_called(OperationId::generate(), app, kind).await
    }

    pub(crate) async fn operation_called(
        &self,
        id: OperationId,
        app: Option<AppId>,
        kind: OperationKind,
    ) -> OperationId {
        self.change(move |change| {
            let row = Operation {
                id: Word(id),
                app_id: app.map(Word),
                app_name: None,
                kind: Word(kind),
                status: Word(OperationStatus::Running),
                memory: Json(Value::Null),
                cancellable: false,
                problem: None,
                actor: Json(Actor::Mantyx),
                started_at: change.now(),
                finished_at: None,
            };
            operations::insert(change, &row, [("only", "Only")])?;
            Ok(row.id.0)
        })
        .await
    }

    pub(crate) async fn end(&self, operation: OperationId, status: OperationStatus, problem: Option<Value>) {
        self.change(move |change| {
            let now = change.now();
            operations::finish(change, operation, status, problem, now)
        })
        .await;
    }

    pub(crate) async fn ended(&self, operation: OperationId) -> OperationView {
        self.mantyx.wait_operation(operation, PATIENCE).await.unwrap()
    }
}

/// Somebody who may do everything.
pub(crate) fn admin() -> Caller {
    let token = TokenView {
        id: TokenId::generate(),
        name: "owner".into(),
        scope: Scope::Admin,
        created_at: chrono::Utc::now(),
        expires_at: None,
    };
    Caller { token, address: "::1".into() }
}

pub(crate) fn name(text: &str) -> AppName {
    AppName::parse(text).unwrap()
}

pub(crate) fn draft(name: AppName, app_type: AppType) -> AppDraft {
    let found = Found {
        suggested_name: name.clone(),
        candidates: Vec::new(),
        dependency_files: Vec::new(),
        requires_python: None,
        files: 1,
        bytes: 8,
        digest: String::new(),
        warnings: Vec::new(),
    };
    AppDraft {
        id: AppId::generate(),
        name,
        display_name: String::new(),
        description: String::new(),
        tags: Vec::new(),
        app_type,
        origin: Origin::Script { file: "main.py".into() },
        found,
        scm_version: None,
        configuration: Configuration::new(Launch::parse("main.py").unwrap()),
    }
}

pub(crate) fn environment(app: AppId, change: &Change<'_, '_>) -> environments::Environment {
    environments::Environment {
        id: Word(EnvironmentId::generate()),
        app_id: Word(app),
        python_version: "3".into(),
        builder: "pip".into(),
        lock: String::new(),
        lock_digest: String::new(),
        packages: Json(Vec::new()),
        operation_id: Word(OperationId::generate()),
        created_at: change.now(),
        fingerprint: None,
    }
}
