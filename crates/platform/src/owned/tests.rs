//! Reading, writing and removing in a folder of somebody else, whatever lies in the way.

use super::*;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

/// A folder of its own in one that everybody may enter, and a secret beside it.
struct Scene {
    place: tempfile::TempDir,
    folder: OwnedFolder,
}

impl Scene {
    fn make() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o711)).unwrap();
        fs::write(place.path().join("secret"), "secret").unwrap();
        let data = place.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        if identity::is_superuser() {
            crate::ownership::give(&data, &identity::resolve("nobody", &[]).unwrap()).unwrap();
        }
        let folder = OwnedFolder::open(&data).unwrap().unwrap();
        Self { place, folder }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.place.path().join("data").join(path)
    }

    fn put(&self, path: &str, text: &str) -> Result<()> {
        let mut content = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut content, text.as_bytes()).unwrap();
        self.folder.write(&relative(path), &content, |_| Ok(())).map(drop)
    }

    fn read(&self, path: &str) -> Result<String> {
        match self.folder.find(&relative(path))? {
            Found::File(mut file, _) => {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                Ok(text)
            }
            Found::Folder => Ok("a folder".to_owned()),
        }
    }

    fn remove(&self, path: &str, removal: Removal) -> Result<()> {
        self.folder.remove(&relative(path), removal, |_| Ok(()))
    }

    fn names(&self) -> Vec<String> {
        let entries = self.folder.list(None, None, 100).unwrap().entries;
        entries.iter().map(|entry| entry.name.to_string_lossy().into_owned()).collect()
    }
}

fn relative(path: &str) -> RelativePath {
    RelativePath::parse(path).unwrap()
}

#[test]
fn what_is_written_is_whole_and_belongs_to_whose_folder_it_is() {
    let scene = Scene::make();
    scene.put("a/b/note.txt", "one").unwrap();
    assert_eq!(scene.read("a/b/note.txt").unwrap(), "one");
    fs::set_permissions(scene.at("a/b/note.txt"), fs::Permissions::from_mode(0o755)).unwrap();
    scene.put("a/b/note.txt", "two").unwrap();
    assert_eq!(scene.read("a/b/note.txt").unwrap(), "two");
    let owner = fs::metadata(scene.at("")).unwrap().uid();
    for made in ["a", "a/b", "a/b/note.txt"] {
        assert_eq!(fs::metadata(scene.at(made)).unwrap().uid(), owner, "{made}");
    }
    assert_eq!(fs::metadata(scene.at("a/b/note.txt")).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(scene.names(), ["a"]);
    assert_eq!(fs::read_dir(scene.at("a/b")).unwrap().count(), 1, "nothing stays beside it");
}

#[test]
fn no_link_leads_anywhere() {
    let scene = Scene::make();
    symlink(scene.place.path(), scene.at("out")).unwrap();
    symlink(scene.place.path().join("secret"), scene.at("link")).unwrap();
    for path in ["link", "out/secret", "out/data"] {
        let refused = scene.read(path).unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{path}");
    }
    for path in ["link", "out/secret", "out/new"] {
        assert_eq!(scene.put(path, "evil").unwrap_err().code(), Code::IllegalState, "{path}");
    }
    assert!(scene.folder.list(Some(&relative("out")), None, 9).is_err());
    assert_eq!(scene.remove("out/secret", Removal::Tree).unwrap_err().code(), Code::NotFound);
    scene.remove("out", Removal::Tree).unwrap();
    scene.remove("link", Removal::One).unwrap();
    assert_eq!(fs::read_to_string(scene.place.path().join("secret")).unwrap(), "secret");
    assert!(!scene.place.path().join("new").exists());
    assert_eq!(scene.names(), [""; 0]);
}

#[test]
fn nothing_special_is_opened() {
    let scene = Scene::make();
    rustix::fs::mknodat(CWD, scene.at("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    // To open a pipe that nobody writes to would wait for ever.
    let refused = scene.read("pipe").unwrap_err();
    assert!(refused.to_string().contains("`pipe`"), "{refused}");
    assert_eq!(scene.put("pipe", "x").unwrap_err().code(), Code::IllegalState);
    assert_eq!(scene.folder.list(None, None, 9).unwrap().entries[0].kind, Kind::Special);
    scene.remove("pipe", Removal::One).unwrap();
    assert_eq!(scene.names(), [""; 0]);
}

#[test]
fn what_the_owner_may_not_read_is_not_read_for_it() {
    let scene = Scene::make();
    if !identity::is_superuser() {
        return assert_eq!(scene.folder.owner, None, "only the superuser works as somebody else");
    }
    let mine = scene.at("mine");
    fs::write(&mine, "root's").unwrap();
    fs::set_permissions(&mine, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = scene.read("mine").unwrap_err();
    assert_eq!(refused.code(), Code::IllegalState);
    assert!(refused.detail().contains("`nobody`"), "{refused}");
}

#[test]
fn a_list_is_cut_into_pages_that_together_are_all_of_it() {
    let scene = Scene::make();
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for name in ["b", "a", "c"] {
        scene.put(name, name).unwrap();
        scene.put(&format!("z-{name}/inner"), "").unwrap();
    }
    fs::write(scene.at("").join(odd), "").unwrap();
    for most in 1..=7 {
        let (mut seen, mut after) = (Vec::new(), None::<Place>);
        loop {
            let page = scene.folder.list(None, after.as_ref(), most).unwrap();
            seen.extend(page.entries.into_iter().map(|entry| entry.name));
            let Some(rest) = page.rest else { break };
            // As a client gives it back.
            after = Some(rest.to_string().parse().unwrap());
        }
        let expected = ["z-a", "z-b", "z-c", "a", "b", "c"].map(OsString::from);
        assert_eq!(seen[..6], expected, "{most}");
        assert_eq!(seen[6..], [odd], "{most}");
    }
    for wrong in ["", "2", "1f", "1xx", "100", "0é"] {
        assert_eq!(wrong.parse::<Place>().unwrap_err().code(), Code::Malformed, "{wrong}");
    }
}

#[test]
fn a_folder_goes_with_all_in_it_only_when_that_is_meant() {
    let scene = Scene::make();
    scene.put("a/b/c", "").unwrap();
    let refused = scene.remove("a", Removal::One).unwrap_err();
    assert_eq!(refused.code(), Code::IllegalState);
    scene.remove("a", Removal::Tree).unwrap();
    assert_eq!(scene.remove("a", Removal::Tree).unwrap_err().code(), Code::NotFound);
    assert_eq!(scene.read("a/b").unwrap_err().code(), Code::NotFound);
    assert_eq!(scene.put(&"x".repeat(300), "").unwrap_err().code(), Code::Invalid);
    assert_eq!(scene.read(&"x".repeat(300)).unwrap_err().code(), Code::NotFound);
}

#[test]
fn who_asked_is_asked_before_anything_changes() {
    let scene = Scene::make();
    scene.put("a", "one").unwrap();
    let no = || Error::new(Code::Stale, "no");
    let content = tempfile::tempfile().unwrap();
    let refused = scene.folder.write(&relative("a"), &content, |before| {
        assert_eq!(before.map(Facts::size), Some(3));
        Err(no())
    });
    assert_eq!(refused.unwrap_err().code(), Code::Stale);
    assert!(scene.folder.remove(&relative("a"), Removal::One, |_| Err(no())).is_err());
    let refused = scene.folder.write(&relative("b/c/d"), &content, |before| {
        assert!(before.is_none());
        Err(no())
    });
    assert_eq!(refused.unwrap_err().code(), Code::Stale);
    assert_eq!((scene.read("a").unwrap(), scene.names()), ("one".to_owned(), vec!["a".to_owned()]));
}

#[test]
fn a_mark_tells_another_file_of_the_same_length_and_time() {
    let scene = Scene::make();
    let mark = || match scene.folder.find(&relative("a")).unwrap() {
        Found::File(_, facts) => facts.mark(),
        Found::Folder => String::new(),
    };
    scene.put("a", "one").unwrap();
    let (before, time) = (mark(), fs::metadata(scene.at("a")).unwrap().modified().unwrap());
    assert_eq!(mark(), before);
    scene.put("b", "two").unwrap();
    fs::File::open(scene.at("b")).unwrap().set_modified(time).unwrap();
    fs::rename(scene.at("b"), scene.at("a")).unwrap();
    assert_ne!(mark(), before);
}

#[test]
fn a_folder_that_is_not_there_is_none() {
    let place = tempfile::tempdir().unwrap();
    assert!(OwnedFolder::open(&place.path().join("gone")).unwrap().is_none());
}
