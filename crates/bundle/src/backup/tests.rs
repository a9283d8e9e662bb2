//! Backups are made, read back and removed.

use super::*;
use mantyx_platform::folders::make_read_only;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

static GO_ON: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Facts {
    app: String,
    release: u32,
}

/// An app's release and data, and where its backups go.
struct App {
    place: tempfile::TempDir,
}

impl App {
    fn new() -> Self {
        let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let app = Self { place };
        fs::create_dir_all(app.source().join("pkg")).unwrap();
        fs::write(app.source().join("main.py"), "print()").unwrap();
        fs::set_permissions(app.source().join("main.py"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("main.py", app.source().join("pkg/link")).unwrap();
        make_read_only(&app.source()).unwrap();
        fs::create_dir_all(app.data().join("empty")).unwrap();
        fs::write(app.data().join("state"), "1234").unwrap();
        app
    }

    fn source(&self) -> PathBuf {
        self.place.path().join("source")
    }

    fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    fn folder(&self) -> PathBuf {
        self.place.path().join("backups")
    }

    fn facts() -> Facts {
        Facts { app: "shop".to_owned(), release: 3 }
    }

    fn back_up(&self, id: Id, data: Option<&Path>) -> Result<Manifest<Facts>> {
        let contents = Contents { source: &self.source(), data };
        write(&self.folder(), id, contents, Self::facts(), &GO_ON)
    }

    fn names(&self) -> Vec<String> {
        let mut names = super::names(&self.folder()).unwrap();
        names.sort_unstable();
        names
    }
}

impl Drop for App {
    fn drop(&mut self) {
        folders::remove(self.place.path()).unwrap();
    }
}

fn id(second: i64) -> Id {
    Id::at(DateTime::from_timestamp(1_795_000_000 + second, 0).unwrap())
}

#[test]
fn data_are_moved_into_a_backup_whenever_that_was_cut_short() {
    let app = App::new();
    let made = app.back_up(id(0), None).unwrap();
    assert_eq!(take_in::<Facts>(&app.folder(), id(0), &app.place.path().join("none")).unwrap(), made);
    // It died once the backup had said it, and once with half of a copy.
    let kept = place(&app.folder(), id(0)).join(DATA);
    for half in [false, true] {
        if half {
            fs::create_dir(&kept).unwrap();
            fs::write(kept.join("half"), "12").unwrap();
        }
        let data = Some(Data { files: 1, bytes: 4, left_out: 0, vanished: 0 });
        let taken: Manifest<Facts> = take_in(&app.folder(), id(0), &app.data()).unwrap();
        assert_eq!(taken, Manifest { data, ..made.clone() });
        assert!(!app.data().exists() && kept.join("empty").is_dir() && !kept.join("half").exists());
        assert_eq!(take_in::<Facts>(&app.folder(), id(0), &app.data()).unwrap(), taken);
        verify(&app.folder(), id(0), &GO_ON).unwrap();
        fs::rename(&kept, app.data()).unwrap();
        assert_eq!(verify(&app.folder(), id(0), &GO_ON).unwrap_err().code(), Code::BackupDamaged);
    }
}

#[test]
fn data_are_taken_in_from_another_mount_and_half_of_them_never() {
    let (app, elsewhere) = (App::new(), tempfile::tempdir().unwrap());
    app.back_up(id(0), None).unwrap();
    let data = elsewhere.path().join("data");
    copy_tree(&app.data(), &data, &GO_ON).unwrap();
    let across = folders::rename(&data, &app.place.path().join("moved")).err();
    let taken: Manifest<Facts> = match across {
        Some(error) => {
            assert!(is_across_mounts(&error), "{error:?}");
            take_in(&app.folder(), id(0), &data).unwrap()
        }
        // There is one mount only.
        None => take_in(&app.folder(), id(0), &app.place.path().join("moved")).unwrap(),
    };
    assert_eq!(taken.data.as_ref().map(|data| (data.files, data.bytes)), Some((1, 4)));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    // It died while it removed what it had copied.
    fs::create_dir(copied(&data)).unwrap();
    assert_eq!(take_in::<Facts>(&app.folder(), id(0), &data).unwrap(), taken);
    verify(&app.folder(), id(0), &GO_ON).unwrap();
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    let missing = folders::rename(&data, &app.place.path().join("none")).unwrap_err();
    assert!(!is_across_mounts(&missing));
}

#[test]
fn a_backup_is_read_back_as_it_was_made() {
    let app = App::new();
    let made = app.back_up(id(0), Some(&app.data())).unwrap();
    assert_eq!((made.source.files, made.source.bytes), (1, 7));
    assert_eq!(made.data, Some(Data { files: 1, bytes: 4, left_out: 0, vanished: 0 }));
    assert_eq!(read::<Facts>(&app.folder(), id(0)).unwrap(), made);
    assert_eq!((made.mantyx.as_str(), made.made_at), (crate::MANTYX, id(0).made_at()));
    verify(&app.folder(), id(0), &GO_ON).unwrap();
    for private in [app.folder(), place(&app.folder(), id(0))] {
        assert_eq!(fs::metadata(private).unwrap().mode() & 0o777, 0o700);
    }

    let (source, data) = (app.place.path().join("staged"), app.place.path().join("restored"));
    stage_source(&app.folder(), id(0), &source).unwrap();
    copy_data(&app.folder(), id(0), &data, &GO_ON).unwrap();
    let number = |path: PathBuf| fs::metadata(path).unwrap().ino();
    assert_eq!(number(source.join("main.py")), number(app.source().join("main.py")));
    assert_eq!(tally(&source, &GO_ON).unwrap(), made.source);
    assert_eq!(fs::read(data.join("state")).unwrap(), b"1234");
    assert!(data.join("empty").is_dir());
}

#[test]
fn the_newest_comes_first_and_one_that_cannot_be_read_is_there() {
    let app = App::new();
    assert!(list::<Facts>(&app.folder()).unwrap().is_empty());
    for second in [0, 2, 1] {
        app.back_up(id(second), None).unwrap();
    }
    fs::write(place(&app.folder(), id(1)).join(MANIFEST), "{}").unwrap();
    let listed = list::<Facts>(&app.folder()).unwrap();
    assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [id(2), id(1), id(0)]);
    assert_eq!(listed[0].manifest.as_ref().unwrap().facts, App::facts());
    assert_eq!(listed[1].manifest.as_ref().unwrap_err().code(), Code::BackupDamaged);
    remove(&app.folder(), id(1)).unwrap();
    remove(&app.folder(), id(1)).unwrap();
    assert_eq!(app.names(), [id(0).to_string(), id(2).to_string()]);
}

#[test]
fn what_fails_or_is_cancelled_leaves_nothing() {
    let app = App::new();
    assert!(app.back_up(id(0), Some(&app.place.path().join("missing"))).is_err());
    let contents = Contents { source: &app.source(), data: Some(&app.data()) };
    let cancelled = write(&app.folder(), id(0), contents, (), &AtomicBool::new(true)).unwrap_err();
    assert_eq!(cancelled.code(), Code::Cancelled);
    app.back_up(id(1), None).unwrap();
    assert!(app.back_up(id(1), Some(&app.data())).is_err(), "one is never replaced");
    assert_eq!(app.names(), [id(1).to_string()]);
    assert_eq!(read::<Facts>(&app.folder(), id(1)).unwrap().data, None);
    assert_eq!(read::<Facts>(&app.folder(), id(0)).unwrap_err().code(), Code::NotFound);
}

#[test]
fn what_a_crash_has_left_is_removed() {
    let app = App::new();
    app.back_up(id(0), None).unwrap();
    fs::create_dir_all(part(&app.folder(), id(1)).join("source")).unwrap();
    fs::create_dir_all(app.folder().join("mine.part")).unwrap();
    settle_unfinished(&app.folder(), |kept| kept == id(0)).unwrap();
    assert_eq!(app.names(), [id(0).to_string(), "mine.part".to_owned()]);
    settle_unfinished(&app.place.path().join("missing"), |_| true).unwrap();
    // Begun again under the same name, the leftover is no obstacle.
    fs::create_dir_all(part(&app.folder(), id(2)).join("source")).unwrap();
    app.back_up(id(2), None).unwrap();
}

#[test]
fn a_removal_that_was_cut_short_is_finished_or_taken_back() {
    let app = App::new();
    for number in [0, 1] {
        app.back_up(id(number), None).unwrap();
        set_aside(&app.folder(), id(number)).unwrap();
    }
    assert_eq!(app.names(), [0, 1].map(|number| format!("{}.part", id(number))));
    settle_unfinished(&app.folder(), |kept| kept == id(1)).unwrap();
    assert_eq!(app.names(), [id(1).to_string()]);
    verify(&app.folder(), id(1), &GO_ON).unwrap();
    bring_back(&app.folder(), id(1)).unwrap();
    bring_back(&app.folder(), id(0)).unwrap();
    assert_eq!(app.names(), [id(1).to_string()]);
}

#[test]
fn damage_is_found() {
    let app = App::new();
    app.back_up(id(0), Some(&app.data())).unwrap();
    let whole = place(&app.folder(), id(0));
    let code = || verify(&app.folder(), id(0), &GO_ON).unwrap_err().code();
    fs::write(whole.join("data/state"), "123").unwrap();
    assert_eq!(code(), Code::BackupDamaged);
    fs::write(whole.join("data/state"), "1234").unwrap();
    verify(&app.folder(), id(0), &GO_ON).unwrap();
    // The same length, other bytes; a source of its own, since the other would change too.
    fs::set_permissions(whole.join("source"), fs::Permissions::from_mode(0o755)).unwrap();
    folders::remove(&whole.join("source/main.py")).unwrap();
    fs::write(whole.join("source/main.py"), "prinT()").unwrap();
    fs::set_permissions(whole.join("source/main.py"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(code(), Code::BackupDamaged);
    folders::remove(&whole.join("data")).unwrap();
    assert_eq!(copy_data(&app.folder(), id(0), &app.data(), &GO_ON).unwrap_err().code(), Code::BackupDamaged);
}

#[test]
fn a_format_of_another_mantyx_is_said() {
    let app = App::new();
    app.back_up(id(0), None).unwrap();
    let manifest = place(&app.folder(), id(0)).join(MANIFEST);
    fs::write(manifest, r#"{"format": 2, "mantyx": "9.1.0", "strange": true}"#).unwrap();
    let refused = read::<Facts>(&app.folder(), id(0)).unwrap_err();
    assert_eq!(refused.code(), Code::UnknownFormat);
    assert!(refused.detail().contains("Mantyx 9.1.0") && refused.hint_text().unwrap().contains("9.1.0"));
}
