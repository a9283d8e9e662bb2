//! What is let in, and what is found in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::bench::{Bench, names};
use mantyx_core::{Code, DependencyFormat, Launch, Origin};
use mantyx_ingest::{Limits, Staged, inspect, script};
use mantyx_test_support::archives::{self, TarBuilder, ZipBuilder, ZipEntry};
use tar::EntryType;

fn stage(bench: &Bench, bytes: &[u8], name: &str) -> Staged {
    bench.archive(bytes, name, &Limits::default()).unwrap()
}

fn launches(staged: &Staged) -> Vec<String> {
    staged.found.candidates.iter().map(Launch::to_string).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_wrapping_folder_is_unwrapped_and_says_nothing_of_it() {
    let bench = Bench::new();
    let staged = stage(
        &bench,
        &archives::zip(&[("weather/main.py", "x"), ("weather/data/a.txt", "y")]),
        "weather.zip",
    );
    assert_eq!(names(&staged.folder), ["data", "main.py"]);
    assert_eq!(staged.origin, Origin::Archive { file: "weather.zip".into() });
    assert_eq!(staged.found.suggested_name.as_str(), "weather");
    assert_eq!((staged.found.files, staged.found.bytes), (2, 2));
    assert_eq!(staged.found.warnings, [""; 0]);
}

#[test]
fn a_package_keeps_the_folder_that_names_it() {
    let files = [("tool/__init__.py", ""), ("tool/__main__.py", "print()")];
    let bench = Bench::new();
    let staged = stage(&bench, &archives::tar_gz(&files), "tool.tar.gz");
    assert_eq!(launches(&staged), ["-m tool"]);
}

#[test]
fn the_type_is_decided_by_content() {
    let files = [("main.py", "x")];
    for bytes in [archives::zip(&files), archives::tar(&files), archives::tar_gz(&files)] {
        assert_eq!(launches(&stage(&Bench::new(), &bytes, "photo.jpeg")), ["main.py"]);
    }
}

#[test]
fn executable_bits_survive_and_nothing_else_does() {
    let tar = TarBuilder::default()
        .file("main.py", b"x")
        .entry(b"run.sh", EntryType::Regular, 0o700, b"", b"#!/bin/sh\n")
        .entry(b"open", EntryType::Directory, 0o2777, b"", b"")
        .entry(b"open/secret", EntryType::Regular, 0o600, b"", b"");
    let zip = ZipBuilder::default()
        .file("main.py", b"x")
        .entry(&ZipEntry::new("run.sh", b"#!/bin/sh\n").mode(0o100_700))
        .entry(&ZipEntry { packed: Vec::new(), method: 0, ..ZipEntry::new("open/", b"").mode(0o040_777) })
        .entry(&ZipEntry::new("open/secret", b"").mode(0o100_600));
    for bytes in [tar.build(), zip.build()] {
        let bench = Bench::new();
        let root = stage(&bench, &bytes, "app").folder;
        let modes = ["main.py", "run.sh", "open", "open/secret"].map(|name| mode(&root.join(name)));
        assert_eq!(modes, [0o644, 0o755, 0o755, 0o644]);
    }
}

#[test]
fn links_inside_are_kept() {
    let tar = TarBuilder::default()
        .link("app/first.py", EntryType::Symlink, "pkg/../main.py")
        .file("app/main.py", b"x")
        .file("app/pkg/__init__.py", b"")
        .link("app/copy.py", EntryType::Link, "app/main.py");
    let bench = Bench::new();
    let root = stage(&bench, &tar.build(), "app.tar").folder;
    assert_eq!(fs::read_link(root.join("first.py")).unwrap(), Path::new("pkg/../main.py"));
    assert_eq!(fs::read(root.join("first.py")).unwrap(), b"x");
    assert_eq!(fs::read(root.join("copy.py")).unwrap(), b"x");
}

#[test]
fn junk_is_left_out_and_said() {
    let tar = TarBuilder::default()
        .file("app/main.py", b"x")
        .file("app/__pycache__/main.cpython-311.pyc", b"x")
        .file("__MACOSX/app/._main.py", b"x")
        .file("app/.git/config", b"x")
        .link("app/.venv/bin/python", EntryType::Symlink, "/usr/bin/python3")
        .file("app/env/pyvenv.cfg", b"home = /usr/bin\n")
        .link("app/env/bin/python", EntryType::Symlink, "/usr/bin/python3");
    let bench = Bench::new();
    let staged = stage(&bench, &tar.build(), "app.tar");
    assert_eq!(names(&staged.folder), ["main.py"]);
    let expected = "Left out: `.git`, `.venv`, `__MACOSX`, `__pycache__`, `app/env`";
    assert_eq!(staged.found.warnings, [expected]);
}

#[test]
fn unusual_but_honest_archives_are_read() {
    let streamed = ZipEntry { flags: 0x0808, ..ZipEntry::new("main.py", b"x = 1\n") };
    let stored = ZipEntry { method: 0, packed: b"y = 2\n".to_vec(), ..ZipEntry::new("lib.py", b"y = 2\n") };
    let zip = ZipBuilder::default().entry(&streamed).entry(&stored);
    let long = format!("{}/lib.py", "n".repeat(120));
    let tar = TarBuilder::default()
        .entry(b"./", EntryType::Directory, 0o755, b"", b"")
        .file("./main.py", b"x = 1\n");
    let pax = b"20 comment=a\nb=c=d\n\n29 path=main.py and so on.py\n";
    let extended =
        TarBuilder::default().entry(b"x", EntryType::XHeader, 0o644, b"", pax).file("short.py", b"");
    let parts = [archives::tar(&[("main.py", "x")])];
    let (front, back) = parts[0].split_at(700);
    let members = [archives::gzip(front), archives::gzip(back)].concat();
    for (bytes, expected) in [
        (zip.clone().build(), "main.py"),
        (zip.build_zip64(), "main.py"),
        (tar.file(&long, b"").build(), "main.py"),
        (extended.build(), "\"main.py and so on.py\""),
        (members, "main.py"),
        (archives::zip(&[("main.py", "x"), ("inner.zip", "PK\u{3}\u{4} is just a file")]), "main.py"),
    ] {
        assert_eq!(launches(&stage(&Bench::new(), &bytes, "app"))[0], expected);
    }
}

#[test]
fn candidates_come_in_the_order_of_the_domain() {
    let project = "[project]\nname = 'Mail Sorter'\nrequires-python = '>=3.10'\ndependencies = ['rich']\n\
                   [project.scripts]\nsort-mail = 'mail:main'\n";
    let files = [
        ("pyproject.toml", project),
        ("start.py", ""),
        ("main.py", ""),
        ("app.py", ""),
        ("other.py", ""),
        ("mail/__init__.py", ""),
        ("mail/__main__.py", ""),
        ("setup.py", ""),
        ("test_mail.py", ""),
        ("requirements.txt", "rich\nflask\n"),
    ];
    let staged = stage(&Bench::new(), &archives::zip(&files), "x.zip");
    assert_eq!(launches(&staged), ["sort-mail", "main.py", "app.py", "start.py", "-m mail", "other.py"]);
    assert_eq!(staged.found.suggested_name.as_str(), "mail-sorter");
    assert_eq!(staged.found.requires_python.as_deref(), Some(">=3.10"));
    let dependencies: Vec<_> =
        staged.found.dependency_files.iter().map(|file| (file.format, file.count)).collect();
    let expected = [(DependencyFormat::RequirementsTxt, Some(2)), (DependencyFormat::PyprojectToml, Some(1))];
    assert_eq!(dependencies, expected);
}

#[test]
fn the_only_file_is_found_wherever_it_is() {
    let staged = stage(&Bench::new(), &archives::zip(&[("README", ""), ("src/job.py", "")]), "x.zip");
    assert_eq!(launches(&staged), ["src/job.py"]);
}

#[test]
fn inline_metadata_of_what_is_started_goes_first() {
    let main = "# /// script\n# requires-python = '>=3.12'\n# dependencies = ['a', 'b']\n# ///\n";
    let files = [("main.py", main), ("requirements.txt", "c\n"), ("pyproject.toml", "[broken")];
    let staged = stage(&Bench::new(), &archives::zip(&files), "x.zip");
    let first = &staged.found.dependency_files[0];
    assert_eq!((first.format, first.count), (DependencyFormat::InlineMetadata, Some(2)));
    assert_eq!(staged.found.requires_python.as_deref(), Some(">=3.12"));
    assert!(staged.found.warnings[0].starts_with("`pyproject.toml` cannot be read"));
}

#[test]
fn the_digest_is_that_of_the_content_however_it_came() {
    let files = [("app/main.py", "x"), ("app/lib.py", "y")];
    let turned = [("lib.py", "y"), ("main.py", "x")];
    let one = stage(&Bench::new(), &archives::zip(&files), "a.zip").found.digest;
    let other = stage(&Bench::new(), &archives::tar_gz(&turned), "b.tgz").found.digest;
    assert_eq!(one, other);
}

#[test]
fn a_script_becomes_a_source_of_one_file() {
    let bench = Bench::new();
    let text = "# /// script\n# dependencies = [\"requests\"]\n# ///\nimport requests\n";
    let upload = bench.upload(text.as_bytes());
    let staged = script(&upload, "../my report.py", &bench.staging(), &Limits::default()).unwrap();
    assert_eq!(names(&staged.folder), ["my_report.py"]);
    assert_eq!(launches(&staged), ["my_report.py"]);
    assert_eq!(staged.found.suggested_name.as_str(), "my_report");
    assert_eq!(staged.found.dependency_files[0].count, Some(1));
    assert_eq!(staged.origin, Origin::Script { file: "../my report.py".into() });
}

#[test]
fn what_is_no_script_is_refused() {
    let table: [(&[u8], Code); 7] = [
        (b"caf\xe9 = 1", Code::NotAScript),
        (b"print()\0", Code::NotAScript),
        (b"\x7fELF", Code::NotAScript),
        (b" \n", Code::NotAScript),
        (b"\n<!DOCTYPE html><html>", Code::NotAScript),
        (b"# /// script\n# dependencies = [\n# ///\n", Code::NotAScript),
        (b"print('far too long')", Code::EntryTooLarge),
    ];
    for (bytes, code) in table {
        let bench = Bench::new();
        let limits = if code == Code::EntryTooLarge { 10 } else { 1000 };
        let limits = Limits { file_bytes: limits, ..Limits::default() };
        let error = script(&bench.upload(bytes), "x.py", &bench.staging(), &limits).unwrap_err();
        assert_eq!(error.code(), code, "{error:?}");
        assert_eq!(names(&bench.staging()), [""; 0]);
    }
}

#[test]
fn a_folder_can_be_looked_at_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), "x").unwrap();
    let found = inspect(folder.path(), "Again", vec!["said before".into()]).unwrap();
    assert_eq!((found.suggested_name.as_str(), found.warnings.len()), ("again", 1));
    fs::remove_file(folder.path().join("app.py")).unwrap();
    assert_eq!(inspect(folder.path(), "Again", Vec::new()).unwrap_err().code(), Code::NoEntrypoint);
}

/// Packs a folder with a tool that people have.
///
/// Git has no settings of this machine, and none of the variables by which a hook, which may have started these tests,
/// names its own repository.
fn packed_by(program: &str, arguments: &[&str], folder: &Path) -> Vec<u8> {
    let out = folder.with_extension("packed");
    let mut command = Command::new(program);
    let of_git = |name: &str| name.starts_with("GIT_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_git)) {
        command.env_remove(name);
    }
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").env("OUT", &out);
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    fs::read(out).unwrap()
}

#[test]
fn archives_of_common_tools_are_read() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("project");
    let long = format!("{}/deep.py", ["été", "long-folder-name-that-goes-on"].join("/").repeat(4));
    fs::create_dir_all(folder.join(&long).parent().unwrap()).unwrap();
    fs::write(folder.join("main.py"), "x = 1\n".repeat(10_000)).unwrap();
    fs::write(folder.join(&long), "").unwrap();
    std::os::unix::fs::symlink("main.py", folder.join("link.py")).unwrap();
    let python =
        |code: &str| format!("import os, sys, tarfile, zipfile, pathlib\nout = os.environ['OUT']\n{code}");
    let zip = "z = zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED)\n\
               [z.write(p) for p in sorted(pathlib.Path('.').rglob('*'))]\nz.close()";
    let pax = "t = tarfile.open(out, 'w:gz', format=tarfile.PAX_FORMAT)\nt.add('.')\nt.close()";
    let gnu = "t = tarfile.open(out, 'w', format=tarfile.GNU_FORMAT)\nt.add('.')\nt.close()";
    let git = "git init -q . && git add -A && git -c user.name=a -c user.email=b commit -qm x && \
               git archive --format=zip --prefix=project/ -o \"$OUT\" HEAD";
    let mut digests = Vec::new();
    for (program, arguments) in [
        ("python3", vec!["-c".to_owned(), python(pax)]),
        ("python3", vec!["-c".to_owned(), python(gnu)]),
        ("sh", vec!["-c".to_owned(), "tar -C .. -czf \"$OUT\" project".to_owned()]),
        ("sh", vec!["-c".to_owned(), git.to_owned()]),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let bytes = packed_by(program, &arguments, &folder);
        let staged = stage(&Bench::new(), &bytes, "project");
        assert_eq!(launches(&staged)[0], "main.py");
        digests.push(staged.found.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "each tool packs the same");
    // Python's zip follows links, so it packs one file more.
    let staged = stage(&Bench::new(), &packed_by("python3", &["-c", &python(zip)], &folder), "project");
    assert_eq!((staged.found.files, staged.found.bytes), (3, 120_000));
}
