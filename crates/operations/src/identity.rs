//! As whom an app runs, and what of its files belongs to that user.
//!
//! A daemon that runs as root gives each app to an unprivileged user: the one of its configuration, else that of the
//! setting `app_user`, else `mantyx` or `nobody`. Source, logs, configuration and database stay Mantyx's own. Apps of
//! the same user can do to each other what one user can do to itself; who wants a wall between two gives them users
//! of their own, and so does who gives one of them further groups.
//!
//! An environment belongs to who built it: an app that gets another user can read it, and has one of its own from the
//! next install on, or from the next change that takes something into use. Where an administrator gave the app its user,
//! it does not start before that: whatever runs as the user before, such as the apps of everybody else, could write into
//! what the app would run.
//!
//! A daemon that is anybody else runs all apps as itself, and says so where something else was wished for.
//!
//! Names of accounts may come from a server (nsswitch.conf(5)), and folders from a slow disk: what is not `async` here
//! is for threads that may wait.

use std::path::{Path, PathBuf};

use mantyx_core::{AppName, Code, Configuration, Error, Identity, Result};
use mantyx_platform::{folders, identity, ownership};
use mantyx_settings::{Layout, Settings};

use crate::launch;
use crate::mantyx::Mantyx;
use crate::work::blocking;

/// Whom systemd-sysusers(8) makes for Mantyx, and who is on every machine.
const DEFAULTS: [&str; 2] = ["mantyx", "nobody"];

/// Whom the kernel takes for somebody that it does not know (`overflowuid`, proc(5)).
const NOBODY: u32 = 65534;

/// As whom an app runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunsAs {
    /// The user; the one of the daemon itself when there is none.
    pub(crate) identity: Option<Identity>,
    /// What was wished for and cannot be, as sentences.
    pub(crate) warnings: Vec<String>,
}

impl RunsAs {
    /// The same for what is alive already. Where the account is gone by now, whatever is still done for the app, such
    /// as asking it how it is, is done as nobody; where its environment is another user's, as that user.
    pub(crate) fn whatever_happens(
        configuration: &Configuration,
        settings: &Settings,
        environment: Option<&Path>,
    ) -> Self {
        let found = match identity_of(configuration, settings) {
            Ok(found) => found,
            Err(error) => {
                let (uid, gid, name) = (NOBODY, NOBODY, "nobody".to_owned());
                let identity = Some(Identity { uid, gid, groups: Vec::new(), name });
                return Self { identity, warnings: vec![error.detail().to_owned()] };
            }
        };
        match environment.and_then(|environment| stranger(configuration, &found, environment)) {
            None => found,
            Some(stranger) => {
                let warning = foreign(&stranger, &found);
                let warnings = found.warnings.into_iter().chain([warning]).collect();
                Self { identity: Some(stranger), warnings }
            }
        }
    }

    /// The name of the user.
    fn name(&self) -> String {
        self.identity.clone().unwrap_or_else(identity::own).name
    }
}

/// Refuses to start an app that was given a user of its own from an environment that another one may change.
pub(crate) fn refuse_foreign(
    configuration: &Configuration,
    runs_as: &RunsAs,
    environment: &Path,
) -> Result<()> {
    match stranger(configuration, runs_as, environment) {
        None => Ok(()),
        Some(stranger) => Err(Error::new(Code::IllegalState, foreign(&stranger, runs_as))
            .hint("Install it again: then its environment is its own")),
    }
}

/// Who may change the environment of an app that was given a user of its own, beside that user and root.
fn stranger(configuration: &Configuration, runs_as: &RunsAs, environment: &Path) -> Option<Identity> {
    if configuration.user.is_none() || !identity::is_superuser() {
        return None;
    }
    // One that is not there is nobody's.
    let owner = identity::owner(environment).ok()?;
    let rightful = [Some(identity::own().uid), runs_as.identity.as_ref().map(|user| user.uid)];
    Some(owner).filter(|owner| !rightful.contains(&Some(owner.uid)))
}

fn foreign(stranger: &Identity, runs_as: &RunsAs) -> String {
    let (stranger, user) = (&stranger.name, runs_as.name());
    format!(
        "Its environment was built as `{stranger}`, who could change what it would run as `{user}`: it starts once it is installed again"
    )
}

/// As whom an app with this configuration runs.
///
/// # Errors
/// A user or a group that this machine does not know, at its field.
pub(crate) fn identity_of(configuration: &Configuration, settings: &Settings) -> Result<RunsAs> {
    let Configuration { user, groups, .. } = configuration;
    if !identity::is_superuser() {
        let wish = user.as_ref().or(settings.app_user.as_ref());
        return Ok(RunsAs { identity: None, warnings: unfulfilled(&identity::own(), wish, groups) });
    }
    let found = match user {
        Some(user) => identity::resolve(user, groups)?,
        None => identity::resolve(default_user(settings)?, groups)?,
    };
    // Root gains nothing by becoming root.
    let identity = Some(found).filter(|user| user.uid != identity::own().uid);
    Ok(RunsAs { identity, warnings: Vec::new() })
}

/// As whom apps run that name no user of their own.
#[derive(Debug, Default)]
pub(crate) struct AppUser {
    /// The user; the one of the daemon itself when there is none.
    pub(crate) identity: Option<Identity>,
    /// Its name, root included; none when Mantyx cannot change users.
    pub(crate) name: Option<String>,
    /// Why these apps cannot run, if so.
    pub(crate) trouble: Option<String>,
}

impl AppUser {
    fn look_up(settings: &Settings, layout: &Layout) -> Self {
        if !identity::is_superuser() {
            return Self::default();
        }
        match default_user(settings).and_then(|user| identity::resolve(user, &[])) {
            Ok(found) => {
                let name = Some(found.name.clone());
                let identity = Some(found).filter(|user| user.uid != identity::own().uid);
                let obstacle = obstacle(layout, identity.as_ref());
                let trouble = obstacle.map(|(obstacle, user)| unreachable(layout, &obstacle, user));
                Self { identity, name, trouble }
            }
            Err(error) => Self { trouble: Some(error.detail().to_owned()), ..Self::default() },
        }
    }
}

/// The user of apps that name none.
fn default_user(settings: &Settings) -> Result<&str> {
    if let Some(user) = &settings.app_user {
        return if identity::is_user(user)? { Ok(user) } else { Err(no_app_user(user)) };
    }
    let [own, other] = DEFAULTS;
    Ok(if identity::is_user(own)? { own } else { other })
}

fn no_app_user(user: &str) -> Error {
    let detail = format!("There is no user `{user}`, as whom apps are to run by the setting `app_user`");
    Error::new(Code::StartFailed, detail)
        .hint(format!("Make it (`useradd --system {user}`), or name another in the setting"))
}

/// What a daemon that cannot change users leaves undone.
fn unfulfilled(own: &Identity, user: Option<&String>, groups: &[String]) -> Vec<String> {
    let is_own = |name: &&String| **name == own.name || own.uid.to_string() == **name;
    let other = user
        .filter(|name| !is_own(name))
        .map(|wish| format!("It runs as `{}`, not as `{wish}`: Mantyx does not run as root", own.name));
    let member = |group: &&String| {
        identity::group(group).is_ok_and(|number| number == own.gid || own.groups.contains(&number))
    };
    let missing = groups.iter().filter(|group| !member(group)).map(|group| {
        format!(
            "It does not belong to the group `{group}`: Mantyx does not run as root, and `{}` is no member",
            own.name
        )
    });
    other.into_iter().chain(missing).collect()
}

/// Refuses to run or build as a user that cannot get to where everything lies.
pub(crate) fn refuse_unreachable(layout: &Layout, user: Option<&Identity>) -> Result<()> {
    match obstacle(layout, user) {
        Some((obstacle, user)) => Err(Error::new(Code::StartFailed, unreachable(layout, &obstacle, user)).hint(
            format!("Open it (`chmod o+x {}`), choose another root with `--root`, or let apps run as root (`app_user = \"root\"`)", obstacle.display()),
        )),
        None => Ok(()),
    }
}

/// What of the way to the apps and their environments is closed to a user.
fn obstacle<'a>(layout: &Layout, user: Option<&'a Identity>) -> Option<(PathBuf, &'a Identity)> {
    let user = user?;
    let (apps, environments) = (layout.apps(), layout.all_environments());
    identity::obstacle_to_any(&[&apps, &environments], Some(user)).map(|obstacle| (obstacle, user))
}

fn unreachable(layout: &Layout, obstacle: &Path, user: &Identity) -> String {
    let (user, obstacle, root) = (&user.name, obstacle.display(), layout.root().display());
    format!("Apps run as the user `{user}`, who may not enter `{obstacle}`, and everything lies in `{root}`")
}

/// Makes the folder of an app's own files, with its home in it, and sees that they belong to whom it runs as.
pub(crate) fn make_data(layout: &Layout, name: &AppName, user: Option<&Identity>) -> Result<()> {
    let data = layout.app_data(name);
    folders::create(&data, 0o700)?;
    if identity::is_superuser() {
        ownership::give(&data, &user.cloned().unwrap_or_else(identity::own))?;
    }
    // What is in there is the app's to change, and may be a link: it is made with no more rights than the app has.
    let home = launch::home(layout, name);
    identity::as_user(user, || folders::create(&home, 0o700)).map_err(|error| {
        let detail = format!("`{name}` could not be started: its home `{}` cannot be made", home.display());
        Error::new(Code::StartFailed, detail).hint("Is there a file in its place?").because(error)
    })
}

impl Mantyx {
    /// A user or a group that an app names is there, where it can be given to it.
    pub(crate) fn refuse_unknown_account(&self, configuration: &Configuration) -> Result<()> {
        match (&configuration.user, configuration.groups.as_slice()) {
            (None, []) => Ok(()),
            _ => identity_of(configuration, self.settings()).map(drop),
        }
    }

    /// As whom apps run that name no user of their own, as it stands now.
    pub(crate) async fn app_user(&self) -> AppUser {
        let (settings, layout) = (self.settings().clone(), self.layout().clone());
        let looked_up = blocking(move || Ok(AppUser::look_up(&settings, &layout))).await;
        looked_up.unwrap_or_else(|error| AppUser { trouble: Some(error.to_string()), ..AppUser::default() })
    }
}

#[cfg(test)]
mod tests;
