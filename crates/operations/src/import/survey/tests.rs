//! What no row speaks of does not come along.

use super::*;
use mantyx_core::{Actor, AppId, AppType, Configuration, Found, Launch, Origin};
use mantyx_registry::{AppDraft, Registry, Store, create_app};

fn draft(name: &str) -> AppDraft {
    let launch = Launch::Module("app".into());
    let found = Found {
        suggested_name: AppName::parse(name).unwrap(),
        candidates: vec![launch.clone()],
        dependency_files: Vec::new(),
        requires_python: None,
        files: 1,
        bytes: 1,
        digest: String::new(),
        warnings: Vec::new(),
    };
    AppDraft {
        id: AppId::generate(),
        name: AppName::parse(name).unwrap(),
        display_name: String::new(),
        description: String::new(),
        tags: Vec::new(),
        app_type: AppType::Perpetual,
        origin: Origin::Script { file: "app.py".into() },
        found,
        scm_version: None,
        configuration: Configuration::new(launch),
    }
}

/// The database of a Mantyx with one app, as an export has it.
async fn database(place: &Path) -> Foreign {
    let registry = Registry::new(Store::open(&place.join("theirs.db")).unwrap());
    registry.change(&Actor::Mantyx, |change| create_app(change, draft("shop"))).await.unwrap();
    registry.copy_to(&place.join("copy.db")).await.unwrap();
    Foreign::open(&place.join("copy.db")).unwrap()
}

#[tokio::test]
async fn nothing_comes_along_but_what_rows_speak_of() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = database(folder.path()).await;
    let unpacked = folder.path().join("unpacked");
    for stray in [
        "apps/shop/releases/1/pkg",
        "apps/shop/releases/2",
        "apps/shop/releases/..x",
        "apps/shop/config.yaml",
        "apps/shop/data/kept",
        "apps/other/releases/1",
        "backups/shop/20261120T171146.123Z",
        "backups/shop/x",
        "trash/01890000-0000-7000-8000-000000000000/app",
        "config",
    ] {
        fs::create_dir_all(unpacked.join(stray)).unwrap();
    }
    fs::write(unpacked.join("apps/shop/metadata.json"), "{}").unwrap();
    fs::set_permissions(unpacked.join("apps/shop/data"), Permissions::from_mode(0o777)).unwrap();
    let layout = Layout::new(&folder.path().join("root"));
    let plan = survey(&foreign, &unpacked, folder.path(), &layout).unwrap();
    let names = |place: &str| {
        let found = entries(&unpacked.join(place)).unwrap();
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut names: Vec<String> = found.iter().map(name).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names("apps/shop"), ["data", "releases"]);
    assert_eq!(names("apps/shop/releases"), ["1"]);
    assert_eq!(names("apps/shop/data"), ["kept"]);
    assert!(names("backups/shop").is_empty());
    let mode = |place: &str| fs::metadata(unpacked.join(place)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("apps/shop/data"), mode("apps/shop/releases/1/pkg")), (0o700, 0o555));
    // What is moved is the app with its backups, and nothing beside it.
    let moved = serde_json::to_value(&plan.moves).unwrap().to_string();
    assert!(moved.contains("apps/shop") && !moved.contains("other") && !moved.contains("trash"), "{moved}");
    assert_eq!((plan.apps.len(), plan.trashed.len(), plan.record.broken_at), (1, 0, None));
}
