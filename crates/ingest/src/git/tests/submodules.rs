//! Repositories that are parts of another one.

use super::*;

/// A repository with another one in it at `vendor/lib`, whose address is this.
fn with_submodule(url: &str) -> (Bench, Bench) {
    let (bench, lib) = (Bench::new(), Bench::new());
    let text =
        format!("[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = {}\n", url.replace("LIB", &lib.url()));
    let id = lib.id("main");
    bench.commit("main", &[(".gitmodules", Becomes::File(&text)), ("vendor/lib", Becomes::Submodule(&id))]);
    (bench, lib)
}

fn request(bench: &Bench, subdir: Option<&str>) -> GitRequest {
    GitRequest { submodules: Submodules::Fetch, ..bench.request(None, subdir) }
}

fn fetch(bench: &Bench, subdir: Option<&str>) -> Result<Staged> {
    bench.fetch_within(Reach::ThisMachine, &request(bench, subdir), &Limits::default())
}

#[test]
fn they_are_left_out_unless_they_are_asked_for() {
    let (bench, _lib) = with_submodule("LIB");
    let without = bench.fetch(None, None).unwrap();
    assert!(!without.folder.join("vendor/lib").exists());
    assert!(without.found.warnings[0].contains("vendor/lib (a submodule)"), "{:?}", without.found.warnings);
    fs::remove_dir_all(without.folder).unwrap();
    let with = fetch(&bench, None).unwrap();
    assert_eq!(fs::read_to_string(with.folder.join("vendor/lib/main.py")).unwrap(), "print('two')\n");
    assert!(with.found.warnings.is_empty(), "{:?}", with.found.warnings);
    assert!(matches!(with.origin, Origin::Git { submodules: true, .. }), "{:?}", with.origin);
    assert_eq!(bench.left(), 1, "only the source is left");
}

#[test]
fn they_are_at_the_commit_that_is_named() {
    let (bench, lib) = with_submodule("LIB");
    lib.commit("main", &[("main.py", Becomes::File("print('newer')\n"))]);
    // A branch that is called like the commit leads nobody astray.
    lib.commit(&bench_id_of(&bench), &[("main.py", Becomes::File("print('trap')\n"))]);
    let staged = fetch(&bench, None).unwrap();
    assert_eq!(fs::read_to_string(staged.folder.join("vendor/lib/main.py")).unwrap(), "print('two')\n");
}

/// The commit of the submodule.
fn bench_id_of(bench: &Bench) -> String {
    let repository = Repository::open(bench.repository()).unwrap();
    let tree = repository.head().unwrap().peel_to_tree().unwrap();
    tree.get_path(Path::new("vendor/lib")).unwrap().id().to_string()
}

#[test]
fn those_of_a_folder_and_those_in_others_are_found() {
    let (bench, lib) = with_submodule("LIB");
    let inner = Bench::new();
    let text = format!("[submodule \"in\"]\n\tpath = in\n\turl = {}\n", inner.url());
    let id = inner.id("next");
    lib.commit("main", &[(".gitmodules", Becomes::File(&text)), ("in", Becomes::Submodule(&id))]);
    let id = lib.id("main");
    bench.commit("main", &[("vendor/lib", Becomes::Submodule(&id)), ("vendor/app.py", Becomes::File("1\n"))]);
    let staged = fetch(&bench, Some("vendor")).unwrap();
    assert_eq!(fs::read_to_string(staged.folder.join("lib/in/sub/app.py")).unwrap(), "print('next')\n");
    assert_eq!(bench.left(), 1, "only the source is left");
}

#[test]
fn their_addresses_may_begin_at_the_repository() {
    let bench = Bench::new();
    let server = Server::start(bench.folder.path());
    let id = bench.id("v1.2.0^{commit}");
    let text = "[submodule \"self\"]\n\tpath = old\n\turl = ../tool\n";
    bench.commit("main", &[(".gitmodules", Becomes::File(text)), ("old", Becomes::Submodule(&id))]);
    let token = Credential::Token { username: None, token: Secret::new(server::TOKEN) };
    for (path, credential, with) in [("tool", None, 0), ("locked/tool", Some(token), 7)] {
        let address = Address::unencrypted(&format!("{}/{path}", server.url));
        let staged = bench
            .fetch_as(
                Peer { address, credential, reach: Reach::ThisMachine, ssh: None },
                &request(&bench, None),
            )
            .unwrap();
        assert_eq!(fs::read_to_string(staged.folder.join("old/main.py")).unwrap(), "print('one')\n");
        fs::remove_dir_all(staged.folder).unwrap();
        assert!(server.seen().0 >= with, "the same server is told the same");
    }
}

#[test]
fn they_lead_no_further_than_the_repository_itself() {
    for (url, expected) in [
        ("/srv/private", Code::GitAddress),
        ("http://host/lib", Code::GitAddress),
        ("https://me:s3cret@host/lib", Code::GitAddress),
        ("ext::sh -c true", Code::GitAddress),
        ("../../../../../../../../../../../../../../x", Code::GitAddress),
        ("file:///no/such/repository", Code::GitRemote),
    ] {
        let (bench, _lib) = with_submodule(url);
        let error = fetch(&bench, None).unwrap_err();
        assert_eq!(error.code(), expected, "{url}: {error}");
        assert!(
            !format!("{error:?}").contains("s3cret") && error.detail().contains("vendor/lib"),
            "{error:?}"
        );
        assert_eq!(bench.left(), 0);
    }
}

#[test]
fn one_without_an_address_is_left_out_and_one_without_its_commit_is_refused() {
    let bench = Bench::new();
    let id = bench.id("main");
    bench.commit("main", &[("lost", Becomes::Submodule(&id))]);
    let staged = fetch(&bench, None).unwrap();
    assert!(staged.found.warnings[0].contains("lost (a submodule)"));
    let (bench, _lib) = with_submodule("LIB");
    bench.commit("main", &[("vendor/lib", Becomes::Submodule(&"1".repeat(40)))]);
    assert_eq!(code(fetch(&bench, None)), Code::GitReference);
}

#[test]
fn limits_hold_for_all_repositories_together() {
    let (bench, _lib) = with_submodule("LIB");
    let few = Limits { entries: 4, ..Limits::default() };
    let outcome = bench.fetch_within(Reach::ThisMachine, &request(&bench, None), &few);
    assert_eq!(code(outcome), Code::TooManyEntries);
    assert_eq!(bench.left(), 0);
}

#[test]
fn nests_without_end_are_refused() {
    let (bench, lib) = with_submodule("LIB");
    // Each level names the commit before it, in the same repository.
    for _ in 0..7 {
        let (id, text) = (lib.id("main"), format!("[submodule \"s\"]\n\tpath = s\n\turl = {}\n", lib.url()));
        lib.commit("main", &[(".gitmodules", Becomes::File(&text)), ("s", Becomes::Submodule(&id))]);
    }
    let id = lib.id("main");
    bench.commit("main", &[("vendor/lib", Becomes::Submodule(&id))]);
    let error = fetch(&bench, None).unwrap_err();
    assert_eq!(error.code(), Code::TooManyEntries);
    assert!(error.detail().contains("lies in more than 5"), "{error}");
    assert_eq!(bench.left(), 0);
}
