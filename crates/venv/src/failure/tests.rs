//! Each file of `output/` is what a real uv or pip said when an install failed.

use super::*;
use proptest::prelude::*;

macro_rules! cases {
    ($($file:literal: $code:ident, $($part:literal),+;)*) => {
        &[$(($file, include_str!(concat!("output/", $file, ".txt")), Code::$code, &[$($part),+])),*]
    };
}

/// The file, what was said, and what an explanation of it must contain.
type Case = (&'static str, &'static str, Code, &'static [&'static str]);

const CASES: &[Case] = cases! {
    "uv-missing": InstallFailed, "no package `this-does-not-exist-at-all-zz`", "spelling";
    "uv05-missing": InstallFailed, "no package `this-does-not-exist-at-all-zz`", "spelling";
    "pip-missing": InstallFailed, "no package `this-does-not-exist-at-all-zz`", "spelling";
    "uv-version": InstallFailed, "no version that satisfies `six==99.0`";
    "uv05-version": InstallFailed, "no version that satisfies `six==99.0`";
    "pip-version": InstallFailed, "no version that satisfies `six==99.0`";
    "uv-conflict": InstallFailed, "exclude each other: Because flask==3.0.0 depends on werkzeug>=3.0.0", "werkzeug<2";
    "uv05-conflict": InstallFailed, "exclude each other: Because flask==3.0.0 depends on werkzeug>=3.0.0", "werkzeug<2";
    "pip-conflict": InstallFailed, "exclude each other", "werkzeug<2", "flask 3.0.0 depends on Werkzeug>=3.0.0";
    "uv-build": InstallFailed, "a package", "its build failed";
    "pip-build": InstallFailed, "`./bad`", "its build failed";
    "uv-build517": InstallFailed, "`bad2`", "RuntimeError: no libbar";
    "uv05-build517": InstallFailed, "`bad2`", "RuntimeError: no libbar";
    "pip-build517": InstallFailed, "`./bad2`", "RuntimeError: no libbar";
    "uv-compile": InstallFailed, "`badc`", "`nothere.h` is not there", "Install the library";
    "pip-compile": InstallFailed, "`badc`", "`nothere.h` is not there", "Install the library";
    "uv-hash": InstallFailed, "`six==1.17.0` does not have the hash";
    "pip-hash": InstallFailed, "`six==1.17.0` does not have the hash";
    "uv-nohash": InstallFailed, "`six` has no hash";
    "pip-nohash": InstallFailed, "`six` has no hash";
    "uv-python": InstallFailed, "`numpy==2.3.0` needs Python>=3.11", "Python 3.9.18";
    "pip-python": InstallFailed, "`numpy==2.3.0` needs Python >=3.11";
    "uv-syntax": InstallFailed, "`syn.txt` is not a requirement", "no such comparison operator";
    "uv05-syntax": InstallFailed, "`syn.txt` is not a requirement";
    "pip-syntax": InstallFailed, "`six=>1` is not a requirement";
    "uv-nofile": InstallFailed, "`nothere.txt`", "Add it";
    "pip-nofile": InstallFailed, "`nothere.txt`", "Add it";
    "uv-refused": InstallFailed, "cannot be reached", "http://127.0.0.1:9/simple/colorama/", "network";
    "pip-refused": InstallFailed, "cannot be reached", "http://127.0.0.1:9/simple", "network";
    "uv-dns": InstallFailed, "cannot be reached", "nowhere.invalid";
    "pip-dns": InstallFailed, "cannot be reached", "nowhere.invalid";
    "uv-certificate": InstallFailed, "certificate", "https://index.invalid/simple/colorama/", "proxy";
    "uv-401": InstallFailed, "(`http://127.0.0.1:8931/simple`) refuses to answer for `pluggy` (401)", "credentials";
    "uv05-401": InstallFailed, "(`http://127.0.0.1:8931/simple`) refuses to answer for `pluggy` (401)", "credentials";
    "pip-401": InstallFailed, "(`http://127.0.0.1:8931/simple`) refuses to answer for `pluggy` (401)", "credentials";
    "uv-403": InstallFailed, "(`http://127.0.0.1:8932/simple`) refuses to answer for `pluggy` (403)", "credentials";
    "uv05-403": InstallFailed, "(`http://127.0.0.1:8932/simple`) refuses to answer for `pluggy` (403)", "credentials";
    "pip-403": InstallFailed, "(`http://127.0.0.1:8932/simple`) refuses to answer for `pluggy` (403)", "credentials";
    "uv-503": InstallFailed, "http://127.0.0.1:8933/simple", "answers with an error (503";
    "uv05-503": InstallFailed, "http://127.0.0.1:8933/simple", "answers with an error (503";
    "pip-503": InstallFailed, "http://127.0.0.1:8933/simple", "answers with an error (503";
    "uv-offline": InstallFailed, "`pluggy==1.0.0` is not in the cache", "with a network";
    "uv05-offline": InstallFailed, "`pluggy==1.0.0` is not in the cache";
    "uv-offline-lock": InstallFailed, "`pluggy==1.5.0` is not in the cache";
    "uv-offline-url": InstallFailed, "`foo @ https://files.pythonhosted.org/packages/x/foo-1.0-py3-none-any.whl` is not in";
    "uv-offline-git": InstallFailed, "`https://github.com/x/y` is not in the cache";
    "uv-offline-build": InstallFailed, "`hatchling` is not in the cache, which is needed to build `b`";
    "uv-python-local": InstallFailed, "`newer==1` needs Python>=3.99", "Python 3.11.7";
    "uv05-python-local": InstallFailed, "`newer==1` needs Python>=3.99", "Python 3.11.7";
    "pip-python-local": InstallFailed, "`newer` needs Python >=3.99", "Python 3.11.7";
    "uv-git": InstallFailed, "`foo @ git+https://127.0.0.1:9/x/y.git` cannot be fetched", "Couldn't connect";
    "pip-git": InstallFailed, "`foo@ git+https://127.0.0.1:9/x/y.git` cannot be fetched", "Couldn't connect";
    "uv-404": InstallFailed, "`foo @ https://files.pythonhosted.org", "cannot be downloaded (404 Not Found)";
    "pip-404": InstallFailed, "`foo@ https://files.pythonhosted.org", "cannot be downloaded (404 Not Found)";
    "uv-full": DiskFull, "no space is left for `", "Free some space";
    "pip-full": DiskFull, "no space is left", "Free some space";
    "venv-ensurepip": InstallFailed, "ensurepip", "apt install python3.11-venv";
};

#[test]
fn says_which_requirement_failed_and_why() {
    for (file, output, code, parts) in CASES {
        let error = explain(output);
        let said = format!("{} | {}", error.detail(), error.hint_text().unwrap_or_default());
        assert_eq!(error.code(), *code, "{file}: {said}");
        for part in *parts {
            assert!(said.contains(part), "{file}: no `{part}` in: {said}");
        }
    }
}

#[test]
fn a_full_disk_is_no_fault_of_the_requirements() {
    let pip = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n";
    assert_eq!(explain(pip).code(), Code::DiskFull);
}

#[test]
fn what_is_not_recognised_is_told_in_its_own_words() {
    let error = explain("Working\nerror: the moon is full\n\nsee above\n");
    assert_eq!(error.detail(), "The environment could not be built: the moon is full");
    assert!(explain("").detail().contains("said nothing"));
}

#[test]
fn says_why_no_python_was_fetched() {
    let unreached = explain_fetch(include_str!("output/uv-fetch-python.txt"));
    assert!(
        unreached.detail().starts_with("`https://github.com/astral-sh/python-build-standalone/"),
        "{unreached}"
    );
    assert!(unreached.detail().ends_with("cannot be reached"), "{unreached}");
    let unknown = explain_fetch(include_str!("output/uv-fetch-unknown.txt"));
    assert!(unknown.detail().contains("3.99"), "{unknown}");
}

#[test]
fn an_explanation_is_no_page() {
    let error = explain(&format!("error: {}", "é".repeat(5000)));
    assert!(error.detail().len() < LONGEST + 5 && error.detail().ends_with('…'));
}

proptest! {
    #[test]
    fn whatever_a_tool_says_there_is_an_answer(
        parts in prop::collection::vec(prop_oneof![
            "\\PC{0,12}",
            prop::sample::select(CASES).prop_flat_map(|(_, output, _, _)| {
                prop::sample::select(output.lines().map(str::to_owned).collect::<Vec<_>>())
            }),
        ], 0..12)
    ) {
        let error = explain(&parts.join("\n"));
        prop_assert!(!error.detail().is_empty() && error.detail().len() < LONGEST + 60 && error.hint_text().is_some());
    }
}
