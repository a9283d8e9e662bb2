//! As whom an app runs, and what of its files belongs to that user.
//!
//! A daemon that runs as root gives each app to an unprivileged user: the one of its configuration, else that of the
//! setting `app_user`, else `mantyx` or `nobody`. Source, logs, configuration and database stay Mantyx's own. Apps of
//! the same user can do to each other what one user can do to itself; who wants a wall between two gives them users
//! of their own. An environment belongs to who built it: an app that gets another user can read it, and has one of its
//! own from the next install on.
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
    /// as asking it how it is, is done as nobody.
    pub(crate) fn whatever_happens(configuration: &Configuration, settings: &Settings) -> Self {
        identity_of(configuration, settings).unwrap_or_else(|error| Self {
            identity: Some(Identity { uid: NOBODY, gid: NOBODY, groups: Vec::new(), name: "nobody".into() }),
            warnings: vec![error.detail().to_owned()],
        })
    }
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
    let places = [layout.apps(), layout.all_environments()];
    places.iter().find_map(|place| identity::obstacle(place, Some(user))).map(|obstacle| (obstacle, user))
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
mod tests {
    use super::*;
    use mantyx_core::Launch;
    use std::collections::BTreeMap;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn settings(root: &Path, app_user: &str) -> Settings {
        let flags = BTreeMap::from([("app_user".to_owned(), app_user.to_owned())]);
        let flags = if app_user.is_empty() { BTreeMap::new() } else { flags };
        Settings::load(Some(root.to_owned()), flags, std::iter::empty()).unwrap()
    }

    fn runs_as(app_user: &str, user: Option<&str>, groups: &[&str]) -> Result<RunsAs> {
        let mut configuration = Configuration::new(Launch::parse("main.py").unwrap());
        configuration.user = user.map(str::to_owned);
        configuration.groups = groups.iter().map(|&group| group.to_owned()).collect();
        identity_of(&configuration, &settings(Path::new("/nowhere"), app_user))
    }

    fn name(runs_as: Result<RunsAs>) -> Option<String> {
        runs_as.unwrap().identity.map(|identity| identity.name)
    }

    #[test]
    fn the_apps_wish_wins_over_the_setting_over_the_default() {
        if !identity::is_superuser() {
            assert_eq!(name(runs_as("daemon", Some("nobody"), &[])), None);
            return;
        }
        assert!(DEFAULTS.contains(&name(runs_as("", None, &[])).unwrap().as_str()));
        assert_eq!(name(runs_as("daemon", None, &[])).as_deref(), Some("daemon"));
        assert_eq!(name(runs_as("daemon", Some("nobody"), &[])).as_deref(), Some("nobody"));
        assert_eq!(name(runs_as("root", None, &[])), None);
        let groups = runs_as("", None, &["video"]).unwrap().identity.unwrap().groups;
        assert!(groups.contains(&identity::group("video").unwrap()));
    }

    #[test]
    fn an_account_that_is_not_there_is_named() {
        if !identity::is_superuser() {
            assert_eq!(runs_as("", Some("no-such"), &["no-such"]).unwrap().warnings.len(), 2);
            return;
        }
        let fields = |error: Error| error.field_errors().iter().map(|e| e.field.clone()).collect::<Vec<_>>();
        assert_eq!(fields(runs_as("", Some("no-such"), &[]).unwrap_err()), ["user"]);
        assert_eq!(fields(runs_as("", None, &["no-such"]).unwrap_err()), ["groups"]);
        let error = runs_as("no-such", None, &[]).unwrap_err();
        assert!(error.detail().contains("`no-such`") && error.detail().contains("`app_user`"), "{error}");
    }

    #[test]
    fn a_wish_that_only_root_can_grant_is_said() {
        let own = Identity { uid: 7, gid: 7, groups: vec![0], name: "anna".into() };
        let said = |user: &str, group: &str| unfulfilled(&own, Some(&user.into()), &[group.into()]);
        assert!(said("anna", "root").is_empty());
        assert_eq!(
            said("berta", "tty"),
            [
                "It runs as `anna`, not as `berta`: Mantyx does not run as root",
                "It does not belong to the group `tty`: Mantyx does not run as root, and `anna` is no member",
            ]
        );
    }

    #[test]
    fn data_belongs_to_whom_the_app_runs_as() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let (layout, name) = (Layout::new(folder.path()), AppName::parse("wiki").unwrap());
        folders::create(&layout.app(&name), 0o755).unwrap();
        let home = launch::home(&layout, &name);
        let owner = || fs::metadata(&home).map(|found| (found.uid(), found.mode() & 0o777)).unwrap();
        let own = identity::own().uid;
        make_data(&layout, &name, None).unwrap();
        assert_eq!(owner(), (own, 0o700));
        if !identity::is_superuser() {
            return;
        }
        let (daemon, nobody) =
            (identity::resolve("daemon", &[]).unwrap(), identity::resolve("nobody", &[]).unwrap());
        for user in [Some(&daemon), Some(&nobody), None] {
            make_data(&layout, &name, user).unwrap();
            assert_eq!(owner(), (user.map_or(own, |user| user.uid), 0o700));
        }
        // An app that turns its home into a link gains nothing by it.
        let target = folder.path().join("made");
        make_data(&layout, &name, Some(&daemon)).unwrap();
        fs::remove_dir(&home).unwrap();
        symlink(&target, &home).unwrap();
        let refused = make_data(&layout, &name, Some(&daemon)).unwrap_err();
        assert_eq!(refused.code(), Code::StartFailed);
        assert!(!target.exists());
    }

    #[test]
    fn a_closed_root_is_refused_with_the_folder_and_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(&folder.path().join("closed/root"));
        folders::create(&layout.apps(), 0o755).unwrap();
        folders::create(&layout.all_environments(), 0o755).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        refuse_unreachable(&layout, None).unwrap();
        if !identity::is_superuser() {
            return;
        }
        let nobody = identity::resolve("nobody", &[]).unwrap();
        let error = refuse_unreachable(&layout, Some(&nobody)).unwrap_err();
        assert_eq!(error.code(), Code::StartFailed);
        let closed = format!("`{}`", folder.path().display());
        assert!(error.detail().contains(&closed) && error.detail().contains("`nobody`"), "{error}");
        assert!(error.hint_text().unwrap().contains("app_user"));
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        refuse_unreachable(&layout, Some(&nobody)).unwrap();
    }
}
