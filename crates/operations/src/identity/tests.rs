//! As whom an app runs, and what belongs to that user, on a machine that is there.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use mantyx_core::Launch;

use super::*;

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

#[test]
fn an_app_with_a_user_of_its_own_runs_from_nothing_that_another_one_may_change() {
    let folder = tempfile::tempdir().unwrap();
    let environment = folder.path();
    let of = |user: Option<&str>| {
        let mut configuration = Configuration::new(Launch::parse("main.py").unwrap());
        configuration.user = user.map(str::to_owned);
        configuration
    };
    let settings = settings(Path::new("/nowhere"), "nobody");
    let foreign = |user: Option<&str>| {
        let runs_as = identity_of(&of(user), &settings).unwrap();
        refuse_foreign(&of(user), &runs_as, environment).err()
    };
    for user in [None, Some("root"), Some("daemon")] {
        assert!(foreign(user).is_none(), "what is Mantyx's own is everybody's to run from");
    }
    if !identity::is_superuser() {
        return;
    }
    chown(environment, Some(1), Some(1)).unwrap();
    assert!(foreign(Some("daemon")).is_none() && foreign(None).is_none());
    let refused = foreign(Some("root")).unwrap();
    assert_eq!(refused.code(), Code::IllegalState);
    assert!(refused.detail().contains("`daemon`") && refused.detail().contains("`root`"), "{refused}");
    assert!(refused.hint_text().unwrap().contains("nstall it again"));
    // What is done for one that is alive is done as who could have written it, and nobody gains anything.
    let meanwhile = RunsAs::whatever_happens(&of(Some("root")), &settings, Some(environment));
    let Identity { uid, gid, groups, .. } = meanwhile.identity.unwrap();
    assert_eq!((uid, gid, groups, meanwhile.warnings), (1, 1, Vec::new(), vec![refused.detail().to_owned()]));
    let rightful = RunsAs::whatever_happens(&of(Some("daemon")), &settings, Some(environment));
    assert_eq!((rightful.identity.unwrap().name.as_str(), rightful.warnings.len()), ("daemon", 0));
}
