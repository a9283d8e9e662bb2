//! The variables that a child gets from the daemon's own environment: named ones, never all.
//!
//! A child starts from nothing. What the daemon was started with (tokens, a session bus, an active virtual
//! environment) says nothing about the app and must not reach it by accident.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Variables of a child, sorted, each once.
pub type Variables = BTreeMap<OsString, OsString>;

/// Language, time zone, search path and the way to the network: what every program may rely on.
const COMMON: &[&str] = &[
    "LANG",
    "LANGUAGE",
    "TZ",
    "PATH",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];

/// Where package tools find their caches, indexes, keys and certificates.
const FOR_BUILDS: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSH_AUTH_SOCK",
    "CC",
    "CXX",
    "CFLAGS",
    "LDFLAGS",
];

/// Whole families, whose members the tools document.
const COMMON_FAMILIES: &[&str] = &["LC_"];
const BUILD_FAMILIES: &[&str] = &["PIP_", "UV_"];

/// What an app gets of the daemon's environment.
#[must_use]
pub fn passed_on() -> Variables {
    select(std::env::vars_os(), |name| is_one_of(name, COMMON, COMMON_FAMILIES))
}

/// What package tools get of the daemon's environment.
#[must_use]
pub fn for_builds() -> Variables {
    select(std::env::vars_os(), |name| {
        is_one_of(name, COMMON, COMMON_FAMILIES) || is_one_of(name, FOR_BUILDS, BUILD_FAMILIES)
    })
}

/// Other names of a program's folder go before it: a search path with one more folder in front.
#[must_use]
pub fn path_with(first: &std::path::Path, rest: Option<&OsStr>) -> OsString {
    let mut path = first.as_os_str().to_owned();
    if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
        path.push(":");
        path.push(rest);
    }
    path
}

fn select(all: impl Iterator<Item = (OsString, OsString)>, wanted: impl Fn(&str) -> bool) -> Variables {
    all.filter(|(name, _)| name.to_str().is_some_and(&wanted)).collect()
}

fn is_one_of(name: &str, names: &[&str], families: &[&str]) -> bool {
    names.contains(&name) || families.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn names(kept: &Variables) -> Vec<&str> {
        kept.keys().filter_map(|name| name.to_str()).collect()
    }

    #[test]
    fn secrets_of_the_daemon_stay_with_it() {
        let given = ["LANG", "LC_ALL", "UV_INDEX_URL", "MANTYX_OWNER_TOKEN", "VIRTUAL_ENV", "PYTHONPATH"];
        let all = || given.iter().map(|name| (OsString::from(name), OsString::from("x")));
        let app = select(all(), |name| is_one_of(name, COMMON, COMMON_FAMILIES));
        assert_eq!(names(&app), ["LANG", "LC_ALL"]);
        let tool = select(all(), |name| is_one_of(name, FOR_BUILDS, BUILD_FAMILIES));
        assert_eq!(names(&tool), ["UV_INDEX_URL"]);
    }

    #[test]
    fn builds_get_all_that_apps_get() {
        let builds = for_builds();
        assert!(passed_on().keys().all(|name| builds.contains_key(name)));
        assert!(builds.contains_key(OsStr::new("PATH")));
    }

    #[test]
    fn a_search_path_has_no_empty_part() {
        assert_eq!(path_with(Path::new("/v/bin"), None), "/v/bin");
        assert_eq!(path_with(Path::new("/v/bin"), Some(OsStr::new("/bin"))), "/v/bin:/bin");
    }
}
