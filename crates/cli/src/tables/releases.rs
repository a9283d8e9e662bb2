//! Releases, their files and packages, and what an update would bring, for people.

use chrono::{DateTime, Utc};
use mantyx_api_types::{
    CommitView, DependenciesView, FileEntry, FileKind, OutdatedPackage, ReleaseDetail, ReleaseView,
    UpdateCheck,
};
use mantyx_core::AppName;

use super::{at_and, bytes, origin};
use crate::output::{count, facts, relative, table};

pub(crate) fn releases(releases: &[ReleaseView], now: DateTime<Utc>) -> String {
    let rows = releases.iter().map(|release| {
        [
            release.number.to_string(),
            standing(release).to_owned(),
            origin(&release.origin),
            release.python.clone().unwrap_or_default(),
            relative(release.created_at, now),
            release.created_by.clone(),
        ]
    });
    table(["RELEASE", "", "SOURCE", "PYTHON", "MADE", "BY"], rows.collect(), "There are no releases")
}

const fn standing(release: &ReleaseView) -> &'static str {
    match (release.active, release.installed) {
        (true, true) => "active",
        (true, false) => "active, not installed",
        (false, true) => "",
        (false, false) => "not installed",
    }
}

pub(crate) fn release(detail: &ReleaseDetail, now: DateTime<Utc>) -> String {
    let release = &detail.release;
    let standing = Some(standing(release)).filter(|standing| !standing.is_empty());
    let facts = facts(vec![
        ("Release", Some(super::with(release.number.to_string(), standing))),
        ("Source", Some(origin(&release.origin))),
        ("Python", release.python.clone()),
        ("Made", Some(at_and(release.created_at, now))),
        ("By", Some(release.created_by.clone())),
    ]);
    format!("{facts}\n\n{}", files(&detail.files))
}

fn files(files: &[FileEntry]) -> String {
    let rows = files.iter().map(|file| [file.path.clone(), kind(file.kind).to_owned(), bytes(file.bytes)]);
    table(["FILE", "", "SIZE"], rows.collect(), "It has no files")
}

const fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "",
        FileKind::Program => "program",
        FileKind::Link => "link",
    }
}

pub(crate) fn update_check(app: &AppName, check: &UpdateCheck, now: DateTime<Utc>) -> String {
    let reference = &check.reference;
    let mut parts = Vec::new();
    if !check.edited.is_empty() {
        let edited: Vec<String> = check.edited.iter().map(|path| format!("`{path}`")).collect();
        let edited = edited.join(", ");
        parts.push(format!("Edited here since the commit, which an update from git replaces: {edited}"));
    }
    if check.head == check.active {
        parts.insert(0, format!("`{app}` is at the tip of `{reference}`: commit {:.12}", check.head));
        return parts.join("\n\n");
    }
    if check.rewritten {
        parts
            .push(format!("The commit {:.12} of `{app}` is no part of `{reference}` any more", check.active));
    }
    parts.extend(match check.commits.len() as u64 {
        0 => vec![format!("`{reference}` is at commit {:.12}, `{app}` at {:.12}", check.head, check.active)],
        number => {
            let more = if check.complete { "" } else { " and more" };
            let ahead = format!("`{reference}` is ahead of `{app}` by {}{more}", count(number, "commit"));
            vec![ahead, commits(&check.commits, now)]
        }
    });
    parts.push(format!("`mantyx update {app}` takes it into use"));
    parts.join("\n\n")
}

fn commits(commits: &[CommitView], now: DateTime<Utc>) -> String {
    let rows = commits.iter().map(|commit| {
        let made = relative(commit.at, now);
        [format!("{:.12}", commit.id), made, commit.author.clone(), commit.subject.clone()]
    });
    table(["COMMIT", "MADE", "BY", "SUBJECT"], rows.collect(), "There are no commits")
}

pub(crate) fn dependencies(view: &DependenciesView) -> String {
    let declared: Vec<String> = view.declared.iter().map(|file| file.path.to_string()).collect();
    let facts = facts(vec![
        ("Python", view.python.clone()),
        ("Built by", view.builder.clone()),
        ("Declared in", (!declared.is_empty()).then(|| declared.join(", "))),
    ]);
    let rows = view.installed.iter().map(|package| {
        [package.name.clone(), package.version.clone(), package.requirement.clone().unwrap_or_default()]
    });
    let empty = if view.python.is_some() { "It needs no packages" } else { "It was not installed yet" };
    let packages = table(["PACKAGE", "VERSION", "ASKED FOR AS"], rows.collect(), empty);
    [facts, packages].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

pub(crate) fn outdated(app: &AppName, packages: &[OutdatedPackage]) -> String {
    let rows = packages
        .iter()
        .map(|package| [package.name.clone(), package.installed.clone(), package.latest.clone()]);
    let packages_table =
        table(["PACKAGE", "INSTALLED", "NEWEST"], rows.collect(), "All packages are the newest");
    match packages {
        [] => packages_table,
        _ => format!(
            "{packages_table}\n\n`mantyx update {app} --dependencies` takes the newest that its code allows"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::RelativePath;
    use serde_json::json;

    fn now() -> DateTime<Utc> {
        "2026-01-01T00:01:30Z".parse().unwrap()
    }

    fn view(number: u32, active: bool, installed: bool) -> ReleaseView {
        let found = json!({
            "suggested_name": "weather", "candidates": [], "dependency_files": [], "requires_python": null,
            "files": 2, "bytes": 10, "digest": "", "warnings": []
        });
        serde_json::from_value(json!({
            "number": number, "active": active, "installed": installed, "found": found, "python": "3.12.4",
            "origin": {"kind": "git", "url": "https://x/y", "commit": "0123456789abcdef"},
            "created_at": "2026-01-01T00:00:00Z", "created_by": "owner"
        }))
        .unwrap()
    }

    #[test]
    fn a_release_is_a_row() {
        let expected = "\
RELEASE                 SOURCE                       PYTHON  MADE            BY
2        active         https://x/y at 0123456789ab  3.12.4  1 min 30 s ago  owner
1        not installed  https://x/y at 0123456789ab  3.12.4  1 min 30 s ago  owner";
        assert_eq!(releases(&[view(2, true, true), view(1, false, false)], now()), expected);
    }

    #[test]
    fn a_release_is_facts_and_files() {
        let file = |path: &str, kind, bytes| FileEntry { path: path.into(), kind, bytes };
        let files = vec![file("main.py", FileKind::File, 120), file("bin/run", FileKind::Program, 2048)];
        let detail = ReleaseDetail { release: view(2, false, true), files, lock: None };
        let expected = "\
Release  2
Source   https://x/y at 0123456789ab
Python   3.12.4
Made     2026-01-01T00:00:00Z, 1 min 30 s ago
By       owner

FILE              SIZE
main.py           120 B
bin/run  program  2.0 KiB";
        assert_eq!(release(&detail, now()), expected);
    }

    #[test]
    fn an_update_is_announced_by_its_commits() {
        let app = AppName::parse("weather").unwrap();
        let mut check: UpdateCheck = serde_json::from_value(json!({
            "active": "0123456789abcdef", "head": "fedcba9876543210", "reference": "main", "complete": false,
            "rewritten": false, "checked_at": "2026-01-01T00:00:00Z", "commits": [{
                "id": "fedcba9876543210", "subject": "Show rain", "author": "Ada", "at": "2026-01-01T00:00:00Z"
            }]
        }))
        .unwrap();
        let expected = "\
`main` is ahead of `weather` by 1 commit and more

COMMIT        MADE            BY   SUBJECT
fedcba987654  1 min 30 s ago  Ada  Show rain

`mantyx update weather` takes it into use";
        assert_eq!(update_check(&app, &check, now()), expected);
        check.rewritten = true;
        assert!(
            update_check(&app, &check, now()).starts_with("The commit 0123456789ab of `weather` is no part")
        );
        (check.rewritten, check.commits) = (false, vec![]);
        let said = update_check(&app, &check, now());
        assert!(said.starts_with("`main` is at commit fedcba987654, `weather` at 0123456789ab\n"), "{said}");
        check.head = check.active.clone();
        assert_eq!(
            update_check(&app, &check, now()),
            "`weather` is at the tip of `main`: commit 0123456789ab"
        );
        check.edited = vec![RelativePath::parse("main.py").unwrap()];
        let said = update_check(&app, &check, now());
        assert!(said.contains("ab\n\nEdited here since the commit") && said.ends_with("`main.py`"), "{said}");
    }

    #[test]
    fn packages_say_what_asks_for_them() {
        let view: DependenciesView = serde_json::from_value(json!({
            "declared": [{"path": "requirements.txt", "format": "requirements_txt", "count": 1}],
            "installed": [
                {"name": "flask", "version": "3.0.0", "requirement": "flask>=3"},
                {"name": "idna", "version": "3.7", "requirement": null}
            ],
            "python": "3.12.4", "builder": "uv 0.9.1", "install_operation": null
        }))
        .unwrap();
        let expected = "\
Python       3.12.4
Built by     uv 0.9.1
Declared in  requirements.txt

PACKAGE  VERSION  ASKED FOR AS
flask    3.0.0    flask>=3
idna     3.7";
        assert_eq!(dependencies(&view), expected);
        let nothing =
            DependenciesView { declared: vec![], installed: vec![], python: None, builder: None, ..view };
        assert_eq!(dependencies(&nothing), "It was not installed yet");
    }

    #[test]
    fn newer_packages_come_with_the_command_that_takes_them() {
        let app = AppName::parse("weather").unwrap();
        assert_eq!(outdated(&app, &[]), "All packages are the newest");
        let idna = OutdatedPackage { name: "idna".into(), installed: "3.1".into(), latest: "3.7".into() };
        let said = outdated(&app, &[idna]);
        assert!(said.starts_with("PACKAGE  INSTALLED  NEWEST\nidna     3.1        3.7\n"), "{said}");
        assert!(said.contains("mantyx update weather --dependencies"), "{said}");
    }
}
