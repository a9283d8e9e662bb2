//! What has come to a repository since a commit, as it is seen over each of the transports.

use super::*;

fn ids(ahead: &Ahead) -> Vec<&str> {
    ahead.behind.iter().map(|commit| commit.id.as_str()).collect()
}

/// A repository of its own for each transport, and the server where there is one.
fn on_all(test: impl Fn(&Bench, &Peer, Option<&Server>)) {
    let bench = Bench::new();
    test(&bench, &bench.peer(), None);
    let bench = Bench::new();
    test(&bench, &over_ssh(&bench), None);
    let (bench, server, peer) = over_http();
    test(&bench, &peer, Some(&server));
}

fn over_ssh(bench: &Bench) -> Peer {
    let address = Address::parse(&format!("ssh://git@host:22{}", bench.repository().display())).unwrap();
    let ssh = program(&bench.path("ssh"), LOCAL_SSH);
    Peer { address, credential: None, reach: Reach::ThisMachine, ssh: Some(ssh) }
}

fn over_http() -> (Bench, Server, Peer) {
    let bench = Bench::new();
    let server = Server::start(bench.folder.path());
    let address = Address::unencrypted(&format!("{}/tool", server.url));
    (bench, server, Peer { address, credential: None, reach: Reach::ThisMachine, ssh: None })
}

fn add(bench: &Bench, branch: &str, count: usize) {
    for number in 0..count {
        bench.commit(branch, &[("main.py", Becomes::File(&format!("print({number})\n")))]);
    }
}

#[test]
fn nothing_new_costs_one_question() {
    on_all(|bench, peer, server| {
        let known = bench.id("main");
        for reference in [None, Some("main"), Some(known.as_str()), Some(&known[..10])] {
            let ahead = bench.check(peer, reference, &known).unwrap();
            assert_eq!((ahead.head.as_str(), ahead.behind.len()), (known.as_str(), 0), "{reference:?}");
            assert!(ahead.complete && !ahead.rewritten && !ahead.is_ahead(&known));
        }
        assert_eq!(server.map_or(0, Server::packs), 0);
    });
}

#[test]
fn new_commits_are_listed_the_newest_first() {
    on_all(|bench, peer, _| {
        let known = bench.id("main");
        add(bench, "main", 3);
        let ahead = bench.check(peer, None, &known).unwrap();
        let expected = [bench.id("main"), bench.id("main~1"), bench.id("main~2")];
        assert_eq!(ids(&ahead), expected);
        assert_eq!(
            (ahead.head.as_str(), ahead.reference.as_str()),
            (expected[0].as_str(), "refs/heads/main")
        );
        assert!(ahead.complete && !ahead.rewritten && ahead.is_ahead(&known));
        let newest = &ahead.behind[0];
        assert_eq!((newest.subject.as_str(), newest.author.as_str()), ("A change", "Test"));
    });
}

#[test]
fn too_many_are_cut_off_and_said() {
    on_all(|bench, peer, _| {
        let known = bench.id("main");
        for (count, complete) in [(5, true), (3, false), (40, false)] {
            add(bench, "main", count);
            let ahead = bench.check(peer, Some("main"), &known).unwrap();
            assert_eq!(
                (ahead.behind.len(), ahead.complete, ahead.rewritten),
                (5, complete, false),
                "{count}"
            );
        }
    });
}

#[test]
fn a_merged_branch_does_not_bring_back_what_was_known() {
    on_all(|bench, peer, _| {
        // The side branch begins before the known commit.
        bench.commit("side", &[("side.py", Becomes::File("1\n"))]);
        bench.point("side", &bench.id("side"));
        add(bench, "main", 4);
        let known = bench.id("main");
        bench.merge("main", "side");
        let ahead = bench.check(peer, None, &known).unwrap();
        let expected = [bench.id("main"), bench.id("side")];
        assert_eq!((ids(&ahead), ahead.complete), (expected.iter().map(String::as_str).collect(), true));
    });
}

#[test]
fn a_rewritten_history_is_said() {
    on_all(|bench, peer, _| {
        let first = bench.id("v1.2.0^{commit}");
        let known = bench.id("main");
        bench.point("main", &first);
        add(bench, "main", 1);
        let ahead = bench.check(peer, None, &known).unwrap();
        assert!(ahead.rewritten && ahead.is_ahead(&known), "{ahead:?}");
        assert_eq!(ahead.behind.first().map(|commit| commit.id.as_str()), Some(bench.id("main").as_str()));
    });
}

#[test]
fn tags_stay_unless_they_are_moved() {
    on_all(|bench, peer, _| {
        let known = bench.id("v1.2.0^{commit}");
        let stays = bench.check(peer, Some("v1.2.0"), &known).unwrap();
        assert_eq!((stays.reference.as_str(), stays.is_ahead(&known)), ("refs/tags/v1.2.0", false));
        bench.tag("v1.2.0").unwrap();
        let moved = bench.check(peer, Some("v1.2.0"), &known).unwrap();
        assert_eq!((ids(&moved), moved.rewritten), (vec![bench.id("main").as_str()], false));
        let back = bench.check(peer, Some(&known), &bench.id("main")).unwrap();
        assert_eq!((back.head.as_str(), back.behind.len()), (known.as_str(), 0));
        assert!(back.rewritten, "another commit is asked for, which is older: {back:?}");
    });
}

#[test]
fn what_cannot_be_told_is_refused() {
    on_all(|bench, peer, _| {
        let known = bench.id("main");
        let code = |reference, since: &str| bench.check(peer, reference, since).unwrap_err().code();
        assert_eq!(code(Some("nosuch"), &known), Code::GitReference);
        assert_eq!(code(None, "abc"), Code::GitReference);
        assert_eq!(code(None, &known[..10]), Code::GitReference);
        fs::remove_dir_all(bench.repository()).unwrap();
        assert_eq!(code(None, &known), Code::GitRemote);
    });
    let bench = Bench::new();
    let since = "0".repeat(40);
    let since = Since { commit: &since, most: 5 };
    let request = bench.request(None, None);
    let (staging, limits) = (bench.path("staging"), Limits::default());
    let refused = check(&request, Reach::Network, since, &staging, &limits, &AtomicBool::new(false));
    assert_eq!(refused.unwrap_err().code(), Code::Forbidden);
}

#[test]
fn what_lies_far_back_is_found_in_a_second_look() {
    let bench = Bench::new();
    let known = bench.id("main");
    add(&bench, "main", 30);
    for (most, behind, complete) in [(30, 30, true), (29, 29, false), (12, 12, false)] {
        let ahead = look(&bench, &over_ssh(&bench), &known, most);
        assert_eq!(
            (ahead.behind.len(), ahead.complete, ahead.rewritten),
            (behind, complete, false),
            "{most}"
        );
    }
    let (bench, server, peer) = over_http();
    let known = bench.id("main");
    add(&bench, "main", 30);
    let ahead = look(&bench, &peer, &known, 50);
    assert_eq!((ahead.behind.len(), ahead.complete, server.packs() > 1), (30, true, true));
    bench.point("main", &bench.id("v1.2.0^{commit}"));
    add(&bench, "main", 30);
    let ahead = look(&bench, &peer, &known, 50);
    assert!(ahead.rewritten, "all of the history was seen, and it is not there");
}

fn look(bench: &Bench, peer: &Peer, known: &str, most: u16) -> Ahead {
    let since = Since { commit: known, most };
    let (limits, cancel) = (Limits::default(), AtomicBool::new(false));
    check::check_at(peer, None, since, &bench.path("staging"), &limits, &cancel).unwrap()
}

#[test]
fn a_long_history_that_was_rewritten_is_told_where_the_server_hands_out_the_old_commit() {
    let (bench, _server, peer) = over_http();
    let settings = fs::OpenOptions::new().append(true).open(bench.repository().join(".git/config"));
    std::io::Write::write_all(&mut settings.unwrap(), b"[uploadpack]\n\tallowAnySHA1InWant = true\n")
        .unwrap();
    add(&bench, "main", 20);
    let base = bench.id("main");
    add(&bench, "main", 1);
    let known = bench.id("main");
    bench.point("main", &base);
    bench.commit("main", &[("main.py", Becomes::File("print('another')\n"))]);
    add(&bench, "main", 1);
    let ahead = bench.check(&peer, None, &known).unwrap();
    assert_eq!((ahead.behind.len(), ahead.rewritten, ahead.complete), (2, true, true), "{ahead:?}");
}
