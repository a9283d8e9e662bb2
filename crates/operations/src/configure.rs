//! What a person sets about an app, as immutable revisions.

use mantyx_api_types::{AppPatch, ConfigurationView};
use mantyx_core::{
    AppId, AppName, AppState, AppType, Code, Configuration, Error, EventKind, ExecutionId, InstanceId,
    Result, RevisionId, WebPort, check_description, check_display_name, tidy_tags,
};
use mantyx_platform::ports;
use mantyx_registry::tables::{apps, config_revisions, executions, instances, releases};
use mantyx_registry::{Change, Json, PortPool, Read, Word, settle_web_port, views};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::actions::forget_retry;
use crate::create::{fit_to_source, refuse_fields};
use crate::environment::number;
use crate::files;
use crate::mantyx::{Caller, Mantyx};
use crate::starting::care_of;
use crate::work::{blocking, whole};

impl Mantyx {
    /// The active configuration of an app.
    pub async fn configuration(&self, name: &AppName) -> Result<ConfigurationView> {
        let name = name.clone();
        self.registry()
            .read(move |db| {
                let app = views::find_app_by_name(db, &name)?;
                views::configuration(db, &app)
            })
            .await
    }

    /// Applies a merge patch. `if_match` is the revision that the person saw.
    ///
    /// A process that is alive is cared for in the new way at once: restart rule, health check, stop, limits. It keeps
    /// what it was started with; the answer says whether a restart is needed.
    pub async fn patch_app(
        &self,
        caller: &Caller,
        name: &AppName,
        if_match: Option<u32>,
        patch: AppPatch,
    ) -> Result<ConfigurationView> {
        let (mantyx, caller, name) = (self.clone(), caller.clone(), name.clone());
        whole(async move {
            let actor = caller.actor();
            let (_lock, app) = mantyx.locked_idle(&name).await?;
            let (view, patch, fitted) = mantyx.wanted(&caller, &app, if_match, patch).await?;
            if patch.r#type.is_some_and(|wanted| wanted != app.app_type.0) {
                // Another type would be started by other rules, or by none.
                mantyx.call_off_retry(&actor, app.id.0).await?;
            }
            let id = app.id.0;
            let changed = Some(fitted).filter(|fitted| fitted.configuration != view.configuration);
            let pool = mantyx.port_pool();
            let work = move |change: &mut Change<'_, '_>| apply(change, &app, patch, changed, &pool);
            let view = mantyx.registry().change(&actor, work).await?;
            mantyx.adjust(id).await?;
            mantyx.show_configuration(&name, &view).await;
            Ok(view)
        })
        .await
    }

    /// The configuration and the texts that a patch leads to, for a saga that takes them into use.
    pub(crate) async fn wanted_configuration(
        &self,
        caller: &Caller,
        app: &apps::App,
        if_match: Option<u32>,
        patch: AppPatch,
    ) -> Result<(Option<Configuration>, Option<(Texts, Texts)>)> {
        let (view, patch, fitted) = self.wanted(caller, app, if_match, patch).await?;
        if patch.r#type.is_some_and(|wanted| wanted != app.app_type.0) {
            let detail = format!("The type of `{}` cannot change together with a restart", app.name.0);
            return Err(Error::field("type", detail)
                .hint("Disable the app, change its type by itself, and enable it again"));
        }
        let texts = Texts::of(patch);
        let before = texts.as_they_are(app);
        let changed = Some(fitted.configuration).filter(|wanted| *wanted != view.configuration);
        Ok((changed, (texts != before).then_some((texts, before))))
    }

    /// What is active, what of a patch may be done, and what the configuration is after it.
    async fn wanted(
        &self,
        caller: &Caller,
        app: &apps::App,
        if_match: Option<u32>,
        patch: AppPatch,
    ) -> Result<(ConfigurationView, AppPatch, Fitted)> {
        let name = &app.name.0;
        let view = self.configuration(name).await?;
        refuse_stale(name, if_match, view.revision)?;
        let patch = tidy(patch)?;
        let merged = view.configuration.patched(&patch.configuration)?;
        caller.require_for(&merged, Some(&view.configuration))?;
        self.refuse_own_port(&merged)?;
        let fitted = self.fitted(app.id.0, name, merged).await?;
        Ok((view, patch, fitted))
    }

    /// Lets what is alive or due be cared for by the active configuration.
    async fn adjust(&self, app: AppId) -> Result<()> {
        let (row, live) = self
            .registry()
            .read(move |db| {
                let row = instances::of_app(db, app)?;
                let live = executions::live_of(db, row.id.0)?.pop();
                Ok((row, live.map(|live| live.id.0)))
            })
            .await?;
        let (supervisor, instance) = (&self.inner().supervisor, row.id.0);
        let due = supervisor.status(instance).is_some();
        if !due && live.is_none() {
            return Ok(());
        }
        // What is only due has no execution yet.
        let execution = live.unwrap_or_else(ExecutionId::generate);
        let care = care_of(self.registry(), &self.inner().house, instance, execution).await?;
        supervisor.adjust(instance, care).await?;
        let called_off = due && supervisor.status(instance).is_none() && row.state.0 == AppState::Failed;
        if called_off {
            return self.registry().note(move |change| forget_retry(change, app, instance)).await;
        }
        Ok(())
    }

    /// A configuration as it fits the source and the accounts of this machine.
    async fn fitted(&self, app: AppId, name: &AppName, wanted: Configuration) -> Result<Fitted> {
        let active = move |db: &mut Read<'_>| {
            let instance = instances::of_app(db, app)?;
            releases::get(db, instance.release_id.0)
        };
        let release = self.registry().read(active).await?;
        let source = self.layout().release(name, number(&release));
        let environment = release.environment_id.map(|id| self.layout().environment(name, id.0));
        let mantyx = self.clone();
        blocking(move || {
            mantyx.refuse_unknown_account(&wanted)?;
            let configuration = fit_to_source(wanted, &source)?;
            let warnings = mantyx.foresee(&configuration, environment.as_deref());
            Ok(Fitted { configuration, warnings })
        })
        .await
    }

    async fn show_configuration(&self, name: &AppName, view: &ConfigurationView) {
        let (layout, shown, view) = (self.layout().clone(), name.clone(), view.clone());
        if let Err(error) = blocking(move || files::write_configuration(&layout, &shown, &view)).await {
            tracing::warn!(?error, app = %name, "the file for people could not be written");
        }
    }

    /// The daemon's own port cannot be an app's.
    pub(crate) fn refuse_own_port(&self, configuration: &Configuration) -> Result<()> {
        let own = self.settings().bind.port();
        if configuration.web_port == Some(WebPort::Fixed(own)) {
            return Err(Error::field("web_port", format!("Port {own} is that of Mantyx itself")));
        }
        Ok(())
    }
}

/// The free texts of an app, as far as they are to change. They need no restart; what changes together with one is
/// taken back together with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Texts {
    display_name: Option<String>,
    description: Option<String>,
    tags: Option<Vec<String>>,
}

impl Texts {
    fn of(patch: AppPatch) -> Self {
        let AppPatch { display_name, description, tags, .. } = patch;
        Self { display_name, description, tags }
    }

    /// The same texts, as an app has them.
    fn as_they_are(&self, app: &apps::App) -> Self {
        Self {
            display_name: self.display_name.as_ref().map(|_| app.display_name.clone()),
            description: self.description.as_ref().map(|_| app.description.clone()),
            tags: self.tags.as_ref().map(|_| app.tags.0.clone()),
        }
    }

    /// Whether an app has them.
    pub(crate) fn are_of(&self, app: &apps::App) -> bool {
        self.as_they_are(app) == *self
    }

    pub(crate) fn set(self, change: &mut Change<'_, '_>, app: &apps::App) -> Result<()> {
        let Self { display_name, description, tags } = self;
        let patch = AppPatch { display_name, description, tags, ..AppPatch::default() };
        change_app(change, app, patch)
    }
}

/// A configuration that fits, and what of it cannot be done here.
struct Fitted {
    configuration: Configuration,
    warnings: Vec<String>,
}

/// The free texts of a patch, checked.
fn tidy(mut patch: AppPatch) -> Result<AppPatch> {
    let mut errors: Vec<_> = patch.display_name.as_deref().and_then(check_display_name).into_iter().collect();
    errors.extend(patch.description.as_deref().and_then(check_description));
    match patch.tags.as_deref().map(tidy_tags).transpose() {
        Ok(tags) => patch.tags = tags,
        Err(error) => errors.push(error),
    }
    refuse_fields(errors)?;
    Ok(patch)
}

fn refuse_stale(name: &AppName, if_match: Option<u32>, revision: u32) -> Result<()> {
    match if_match {
        Some(seen) if seen != revision => {
            let detail =
                format!("`{name}` is at revision {revision}, the change was made to revision {seen}");
            Err(Error::new(Code::Stale, detail).hint("Read the configuration again and repeat the change"))
        }
        _ => Ok(()),
    }
}

fn apply(
    change: &mut Change<'_, '_>,
    app: &apps::App,
    patch: AppPatch,
    fitted: Option<Fitted>,
    pool: &PortPool,
) -> Result<ConfigurationView> {
    let instance = instances::of_app(change, app.id.0)?;
    if let Some(wanted) = patch.r#type {
        refuse_type_while_on(app, wanted, instance.state.0)?;
        if wanted != app.app_type.0 {
            begin_anew(change, instance.id.0)?;
        }
    }
    if let Some(fitted) = fitted {
        settle_web_port(change, instance.id.0, fitted.configuration.web_port, pool, ports::in_use)?;
        add_revision(change, &instance, fitted)?;
    }
    change_app(change, app, patch)?;
    views::configuration(change, app)
}

/// Changes what of an app is no revision, and puts the whole patch on the record.
fn change_app(change: &mut Change<'_, '_>, app: &apps::App, patch: AppPatch) -> Result<()> {
    let payload = json!({ "patch": without_values(&patch) });
    let changes = apps::Changes {
        display_name: patch.display_name,
        description: patch.description,
        tags: patch.tags.map(Json),
        app_type: patch.r#type.map(Word),
        ..Default::default()
    };
    let now = change.now();
    apps::update(change, app.id.0, &changes, now)?;
    change.record_app(EventKind::AppConfigured, app, payload)
}

/// The record is for ever and for every reader: the values of variables, which may be secret, stay out of it.
fn without_values(patch: &AppPatch) -> AppPatch {
    let mut patch = patch.clone();
    if let Some(serde_json::Value::Object(variables)) = patch.configuration.get_mut("env") {
        variables.values_mut().filter(|value| !value.is_null()).for_each(|value| *value = json!("…"));
    }
    patch
}

/// What was remembered of one type means nothing for the other.
fn begin_anew(change: &mut Change<'_, '_>, instance: InstanceId) -> Result<()> {
    let changes = instances::Changes { restarts_at: Some(None), give_ups: Some(0), ..Default::default() };
    instances::update(change, instance, &changes)
}

fn add_revision(
    change: &mut Change<'_, '_>,
    instance: &instances::Instance,
    Fitted { configuration, warnings }: Fitted,
) -> Result<()> {
    let active = config_revisions::get(change, instance.revision_id.0)?;
    let kept = asks_as_before(&active.configuration.0, &configuration);
    let revision = config_revisions::Revision {
        id: Word(RevisionId::generate()),
        instance_id: instance.id,
        number: config_revisions::last_number(change, instance.id.0)? + 1,
        configuration: Json(configuration),
        created_at: change.now(),
        created_by: change.actor().to_string(),
    };
    config_revisions::insert(change, &revision)?;
    // What a process of it has found out beyond what is foreseen is still true.
    let warnings = (!kept).then_some(Json(warnings));
    let changes = instances::Changes { revision_id: Some(revision.id), warnings, ..Default::default() };
    instances::update(change, instance.id.0, &changes)
}

/// Whether what could not be granted before is still what is asked for.
fn asks_as_before(before: &Configuration, after: &Configuration) -> bool {
    let granted = |it: &Configuration| (it.limits, it.user.clone(), it.groups.clone());
    granted(before) == granted(after)
}

/// A type decides what a state means, so it changes only where both types mean the same.
fn refuse_type_while_on(app: &apps::App, wanted: AppType, state: AppState) -> Result<()> {
    let on = matches!(state, AppState::Enabled | AppState::Running | AppState::Stopped);
    if wanted == app.app_type.0 || !on {
        return Ok(());
    }
    let detail = format!("`{}` is {state}: its type cannot change now", app.name.0);
    Err(Error::new(Code::IllegalState, detail).hint("Disable it first"))
}
