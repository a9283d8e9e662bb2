//! Asking for another release: from an archive, a script or git, with fresh packages, with one file edited, or an
//! earlier one.

use std::path::Path;

use mantyx_api_types::{AppPatch, GitUpdate, OperationView, RollbackRequest, UpdateCheck};
use mantyx_core::{
    Actor, AppEvent, AppName, BackupReason, Code, Configuration, Error, OperationKind, Origin, RelativePath,
    ReleaseId, Result,
};
use mantyx_ingest::{Base, Edit, Limits, Staged};
use mantyx_platform::scratch::Scratch;
use mantyx_registry::tables::releases::{self, Release};
use mantyx_registry::tables::{apps, config_revisions, instances};
use mantyx_registry::{Read, check};
use serde_json::{Map, Value};

use crate::alone::refuse_beside;
use crate::create::fit_to_source;
use crate::environment::{Resolve, number};
use crate::mantyx::{Caller, Mantyx};
use crate::switch::{CONFIGURE, NewSource, ROLLBACK, Switch, UPDATE};
use crate::tracking::Followed;
use crate::work::{blocking, whole};

/// What an update is made from.
struct Wanted {
    source: NewSource,
    /// A merge patch on the configuration.
    configuration: Map<String, Value>,
    resolve: Resolve,
    /// The release that it was made of, where it was: that has to be active still.
    made_of: Option<ReleaseId>,
}

impl Mantyx {
    /// A new release from a zip or tar archive. `configuration` is a merge patch that is taken into use with it.
    pub async fn update_from_archive(
        &self,
        caller: &Caller,
        name: &AppName,
        upload: &Path,
        file_name: &str,
        configuration: Map<String, Value>,
    ) -> Result<OperationView> {
        let (upload, file_name) = (upload.to_owned(), file_name.to_owned());
        let ingest = move |staging: &Path, limits: &Limits| {
            mantyx_ingest::archive(&upload, &file_name, staging, limits)
        };
        self.update_from_staged(caller, name, configuration, Resolve::Reuse, None, ingest).await
    }

    /// A new release from a single Python file.
    pub async fn update_from_script(
        &self,
        caller: &Caller,
        name: &AppName,
        upload: &Path,
        file_name: &str,
        configuration: Map<String, Value>,
    ) -> Result<OperationView> {
        let (upload, file_name) = (upload.to_owned(), file_name.to_owned());
        let ingest = move |staging: &Path, limits: &Limits| {
            mantyx_ingest::script(&upload, &file_name, staging, limits)
        };
        self.update_from_staged(caller, name, configuration, Resolve::Reuse, None, ingest).await
    }

    /// A new release of the same code, with the packages that the index has today.
    pub async fn update_dependencies(&self, caller: &Caller, name: &AppName) -> Result<OperationView> {
        let (folder, release) = self.active_release(name).await?;
        let made_of = Some(release.id.0);
        let again =
            move |staging: &Path, _: &Limits| mantyx_ingest::staged_again(base(&folder, &release), staging);
        self.update_from_staged(caller, name, Map::new(), Resolve::Anew, made_of, again).await
    }

    /// A new release that is release `from`, which has to be the active one, with other content in one file; without
    /// content the file is left out.
    pub async fn update_file(
        &self,
        caller: &Caller,
        name: &AppName,
        from: u32,
        path: &RelativePath,
        content: Option<Vec<u8>>,
    ) -> Result<OperationView> {
        let (folder, release) = self.active_release(name).await?;
        if number(&release) != from {
            let detail =
                format!("Release {from} of `{name}` is not the active one: that is {}", release.number);
            return Err(Error::new(Code::Stale, detail).hint("Read the file again and repeat the change"));
        }
        let (path, made_of) = (path.clone(), Some(release.id.0));
        let edit = move |staging: &Path, limits: &Limits| {
            let edit = content.as_deref().map_or(Edit::Remove, Edit::Write);
            mantyx_ingest::staged_from_edit(base(&folder, &release), &path, edit, staging, limits)
        };
        self.update_from_staged(caller, name, Map::new(), Resolve::Reuse, made_of, edit).await
    }

    /// A new release from git: what is not said is as it was for the active release.
    pub async fn update_from_git(
        &self,
        caller: &Caller,
        name: &AppName,
        update: GitUpdate,
    ) -> Result<OperationView> {
        let (_, release) = self.active_release(name).await?;
        let source = git_source(caller, &release.origin.0, &update).map_err(|error| no_git(error, name))?;
        if let NewSource::Git { url, credential, .. } = &source {
            // What cannot be opened is refused at once, before there is an operation.
            self.credential(url, credential.as_ref()).await?;
        }
        let wanted =
            Wanted { source, configuration: update.configuration, resolve: Resolve::Reuse, made_of: None };
        self.update(&caller.actor(), caller, name, wanted).await
    }

    /// Whether the git origin of the active release has moved on, and by which commits.
    pub async fn check_update(&self, caller: &Caller, name: &AppName) -> Result<UpdateCheck> {
        let (app, reach) = (self.find(name).await?.id.0, caller.reach());
        let check = async {
            let (_, release) = self.active_release(name).await?;
            self.compare(Followed::of(name, release.origin.0, None)?, reach).await
        };
        self.inner().inquiries.checks.answer((app, reach), check).await
    }

    /// A new release of what an app follows. The caller stands in for whoever said that it is followed; the actor is who
    /// found something new.
    pub(crate) async fn update_followed(
        &self,
        actor: &Actor,
        caller: &Caller,
        name: &AppName,
        source: NewSource,
    ) -> Result<OperationView> {
        let wanted = Wanted { source, configuration: Map::new(), resolve: Resolve::Reuse, made_of: None };
        self.update(actor, caller, name, wanted).await
    }

    async fn update_from_staged<F>(
        &self,
        caller: &Caller,
        name: &AppName,
        configuration: Map<String, Value>,
        resolve: Resolve,
        made_of: Option<ReleaseId>,
        ingest: F,
    ) -> Result<OperationView>
    where
        F: FnOnce(&Path, &Limits) -> Result<Staged> + Send + 'static,
    {
        self.find(name).await?;
        let staging = Scratch::make(&self.uploads(), "source-")?;
        let (limits, folder) = (self.ingest_limits(), staging.path().to_owned());
        let staged = blocking(move || ingest(&folder, &limits)).await?;
        let source = NewSource::staged(staging.path().to_owned(), staged);
        let wanted = Wanted { source, configuration, resolve, made_of };
        let begun = self.update(&caller.actor(), caller, name, wanted).await;
        if begun.is_ok() {
            // It is the operation's from now on.
            let _ = staging.keep();
        }
        begun
    }

    async fn update(
        &self,
        actor: &Actor,
        caller: &Caller,
        name: &AppName,
        wanted: Wanted,
    ) -> Result<OperationView> {
        let (mantyx, caller, name) = (self.clone(), caller.clone(), name.clone());
        let actor = actor.clone();
        whole(async move {
            let (_lock, app) = mantyx.locked_idle(&name).await?;
            let (mut switch, active) = mantyx.prepare(&app, AppEvent::Update, BackupReason::Update).await?;
            refuse_overtaken(&name, wanted.made_of, switch.before.release)?;
            let configuration = active.patched(&wanted.configuration)?;
            // Other code runs as whatever the app was given.
            caller.require_for(&active, None)?;
            caller.require_for(&configuration, None)?;
            mantyx.refuse_own_port(&configuration)?;
            mantyx.refuse_unknown(&configuration).await?;
            if configuration != active {
                switch = switch.configured(configuration);
            }
            switch.resolve = wanted.resolve;
            switch.after.release = ReleaseId::generate();
            switch.made = Some(mantyx.new_release(&actor, &app, wanted.source).await?);
            mantyx.begin(&actor, &UPDATE, Some((app.id.0, name)), switch).await
        })
        .await
    }

    /// Takes an earlier release into use again, with the configuration as it is.
    pub async fn rollback(
        &self,
        caller: &Caller,
        name: &AppName,
        request: RollbackRequest,
    ) -> Result<OperationView> {
        let (mantyx, caller, name) = (self.clone(), caller.clone(), name.clone());
        whole(async move {
            let (_lock, app) = mantyx.locked_idle(&name).await?;
            let (mut switch, active) =
                mantyx.prepare(&app, AppEvent::Rollback, BackupReason::Rollback).await?;
            caller.require_for(&active, None)?;
            let (row, before) = (app.clone(), switch.before.release);
            let (release, then) =
                mantyx.registry().read(move |db| earlier(db, &row, before, request)).await?;
            switch.after.release = release.id.0;
            let source = mantyx.layout().release(&name, number(&release));
            if let Some(fitting) = blocking(move || started_as(active, then, &source)).await? {
                switch = switch.configured(fitting);
            }
            mantyx.begin(&caller.actor(), &ROLLBACK, Some((app.id.0, name)), switch).await
        })
        .await
    }

    /// Applies a merge patch and starts the app anew with it, and goes back if it does not become well.
    pub async fn configure_and_restart(
        &self,
        caller: &Caller,
        name: &AppName,
        if_match: Option<u32>,
        patch: AppPatch,
    ) -> Result<OperationView> {
        let (mantyx, caller, name) = (self.clone(), caller.clone(), name.clone());
        whole(async move {
            let (_lock, app) = mantyx.locked_idle(&name).await?;
            let (switch, _) = mantyx.prepare(&app, AppEvent::Configure, BackupReason::Configure).await?;
            let (wanted, texts) = mantyx.wanted_configuration(&caller, &app, if_match, patch).await?;
            let mut switch = match wanted {
                Some(configuration) => switch.configured(configuration),
                None => switch,
            };
            switch.texts = texts;
            mantyx.begin(&caller.actor(), &CONFIGURE, Some((app.id.0, name)), switch).await
        })
        .await
    }

    /// Names of accounts may come from a server.
    pub(crate) async fn refuse_unknown(&self, configuration: &Configuration) -> Result<()> {
        let (mantyx, configuration) = (self.clone(), configuration.clone());
        blocking(move || mantyx.refuse_unknown_account(&configuration)).await
    }

    /// A switch of an app that can be switched now, and its active configuration.
    pub(crate) async fn prepare(
        &self,
        app: &apps::App,
        event: AppEvent,
        reason: BackupReason,
    ) -> Result<(Switch, Configuration)> {
        let app = app.clone();
        self.registry()
            .read(move |db| {
                check(db, &app, event)?;
                // Before anything is made for what would be refused.
                refuse_beside(db, OperationKind::Update)?;
                let switch = Switch::of(db, &app, event, reason)?;
                let active = config_revisions::get(db, switch.before.revision)?.configuration.0;
                Ok((switch, active))
            })
            .await
    }

    /// The active release of an app, and where its source lies.
    pub(crate) async fn active_release(&self, name: &AppName) -> Result<(std::path::PathBuf, Release)> {
        let app = self.find(name).await?;
        let release = self
            .registry()
            .read(move |db| {
                let instance = instances::of_app(db, app.id.0)?;
                releases::get(db, instance.release_id.0)
            })
            .await?;
        Ok((self.layout().release(name, number(&release)), release))
    }
}

/// The configuration as an earlier release needs it, where that is another: what is set now stays, unless there is no
/// such thing to start in that release. Then it is started as it was when it was last active.
fn started_as(
    now: Configuration,
    then: Option<Configuration>,
    source: &Path,
) -> Result<Option<Configuration>> {
    let Err(misfit) = fit_to_source(now.clone(), source) else { return Ok(None) };
    let Some(Configuration { entrypoint, working_directory, .. }) = then else { return Err(misfit) };
    let wanted = Configuration { entrypoint, working_directory, ..now };
    fit_to_source(wanted, source).map(Some)
}

/// Which release to go back to, a kept one or the newest before the active one, and what it was last active with.
fn earlier(
    db: &mut Read<'_>,
    app: &apps::App,
    active: ReleaseId,
    RollbackRequest { release: wanted }: RollbackRequest,
) -> Result<(Release, Option<Configuration>)> {
    let active = releases::get(db, active)?;
    let kept = releases::of_app(db, app.id.0)?;
    let found = match wanted {
        Some(wanted) => kept.iter().find(|row| number(row) == wanted),
        None => kept.iter().find(|row| row.number < active.number),
    };
    let numbers: Vec<String> =
        kept.iter().filter(|row| row.id != active.id).map(|row| row.number.to_string()).collect();
    let hint = match numbers.as_slice() {
        [] => "No other release is kept".to_owned(),
        numbers => format!("These are kept: {}", numbers.join(", ")),
    };
    match found {
        Some(row) if row.id == active.id => {
            let detail = format!("Release {} of `{}` is active already", row.number, app.name.0);
            Err(Error::new(Code::IllegalState, detail).hint(hint))
        }
        Some(row) => {
            let then = row.revision_id.map(|id| config_revisions::get(db, id.0)).transpose()?;
            Ok((row.clone(), then.map(|then| then.configuration.0)))
        }
        None => {
            let which = wanted.map_or_else(
                || format!("a release before {}", active.number),
                |wanted| format!("a release {wanted}"),
            );
            let detail = format!("There is no {} of `{}`", which.trim_start_matches("a "), app.name.0);
            Err(Error::new(Code::NotFound, detail).hint(hint))
        }
    }
}

/// What was made of a release that is not active any more would take back what came after it.
fn refuse_overtaken(name: &AppName, made_of: Option<ReleaseId>, active: ReleaseId) -> Result<()> {
    if made_of.is_none_or(|made_of| made_of == active) {
        return Ok(());
    }
    let detail = format!("Another release of `{name}` was taken into use meanwhile");
    Err(Error::new(Code::Stale, detail).hint("Look at that one and repeat the change"))
}

/// A release, to make another one of.
fn base<'a>(folder: &'a Path, release: &'a Release) -> Base<'a> {
    Base { folder, origin: &release.origin.0, scm_version: release.scm_version.as_deref() }
}

/// Where to fetch from: what is asked for, else where the active release came from.
fn git_source(caller: &Caller, origin: &Origin, update: &GitUpdate) -> Result<NewSource> {
    let before = match origin {
        Origin::Git { url, reference, subdir, credential, submodules, .. } => {
            Some((url, (reference.clone(), subdir.clone(), credential.clone(), *submodules)))
        }
        _ => None,
    };
    let url = update.url.clone().or_else(|| before.as_ref().map(|(url, _)| (*url).clone()));
    let url = url.ok_or_else(|| Error::new(Code::IllegalState, "It does not come from git"))?;
    // Whoever names another place does not mean what was known of the one before.
    let same = before.filter(|(was, _)| **was == url).map(|(_, known)| known);
    let (reference, subdir, credential, submodules) = same.unwrap_or_default();
    Ok(NewSource::Git {
        reference: update.reference.clone().or(reference),
        subdir: update.subdir.clone().or(subdir),
        credential: update.credential.clone().or(credential),
        submodules: update.submodules.unwrap_or(submodules),
        found: None,
        from: caller.reach().into(),
        url,
    })
}

fn no_git(error: Error, name: &AppName) -> Error {
    let detail = format!("`{name}`: {}", error.detail());
    Error::new(error.code(), detail).hint("Say the address of a repository as `url`")
}
