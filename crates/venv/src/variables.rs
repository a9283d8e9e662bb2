//! The environment variables that package tools get: the way to the network as this machine knows it, and what
//! makes builds the same wherever the daemon was started.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use mantyx_core::Identity;
use mantyx_platform::environment::{self, Variables};

use crate::pip_settings;
use crate::tools::Uv;

/// Settings of a person's own shell that would lead a build elsewhere.
const MISLEADING: &[&str] = &[
    "PIP_PREFIX",
    "PIP_LOG",
    "PIP_NO_CACHE_DIR",
    "PIP_NO_DEPS",
    "PIP_PYTHON",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_ROOT",
    "PIP_TARGET",
    "PIP_USER",
    "UV_CONSTRAINT",
    "UV_FROZEN",
    "UV_LOCKED",
    "UV_NO_CACHE",
    "UV_NO_SYNC",
    "UV_OFFLINE",
    "UV_PROJECT",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "UV_WORKING_DIR",
    "UV_WORKING_DIRECTORY",
];

/// For any package tool.
const COMMON: &[(&str, &str)] = &[
    // Output comes when it is written, not when a buffer is full.
    ("PYTHONUNBUFFERED", "1"),
    // Packages in the home of whoever runs the daemon are not the app's.
    ("PYTHONNOUSERSITE", "1"),
    // A repository that wants a password fails at once instead of asking nobody.
    ("GIT_TERMINAL_PROMPT", "0"),
];

/// For pip.
const PIP: &[(&str, &str)] = &[
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ("PIP_NO_INPUT", "1"),
    ("PIP_PROGRESS_BAR", "off"),
    // Apart from the environment, as uv does it, whatever happens to be installed there.
    ("PIP_USE_PEP517", "1"),
];

/// For uv.
const UV: &[(&str, &str)] = &[
    // That is done for both tools in the same way.
    ("UV_COMPILE_BYTECODE", "0"),
    ("UV_LINK_MODE", "hardlink"),
    ("UV_NO_PROGRESS", "1"),
    // The Python is the one that was planned, never another that uv would fetch.
    ("UV_PYTHON_DOWNLOADS", "never"),
];

/// What leads to places and keys of whoever runs the daemon, and means nothing to another user.
const OF_THE_DAEMON: &[&str] = &["SSH_AUTH_SOCK", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"];

/// Where Linux distributions keep the certificates that the machine trusts.
const CERTIFICATES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What pip gets.
pub(crate) fn for_pip() -> Variables {
    let mut variables = inherited();
    set(&mut variables, PIP);
    variables
}

/// What pip gets, with its cache in Mantyx's own.
pub(crate) fn for_pip_with_cache(cache: &Path) -> Variables {
    let mut variables = for_pip();
    variables.insert("PIP_CACHE_DIR".into(), cache.join("pip").into());
    variables
}

/// What uv gets. It reads no configuration of pip, so it is told the same; its own variables win.
pub(crate) fn for_uv(uv: &Uv, cache: &Path) -> Variables {
    let mut variables = inherited();
    for (name, value) in pip_settings::for_uv(&pip_settings::of_this_machine()) {
        variables.entry(name.into()).or_insert_with(|| value.into());
    }
    set(&mut variables, UV);
    variables.insert("UV_CACHE_DIR".into(), cache.join("uv").into());
    // uv trusts a list of its own. A machine with a certificate of its own, behind a proxy that reads along, is
    // only reached with the list of the machine.
    if CERTIFICATES.iter().any(|path| Path::new(path).is_file()) {
        variables.entry(certificates_switch(uv).into()).or_insert_with(|| "1".into());
    }
    variables
}

/// What changes when another user than the daemon's builds, with a home of its own for as long as that takes.
pub(crate) fn of_user(variables: &mut Variables, user: &Identity, home: &Path) {
    variables.retain(|name, _| !OF_THE_DAEMON.iter().any(|own| name == OsStr::new(own)));
    let own = [("HOME", home.as_os_str()), ("TMPDIR", home.as_os_str())];
    variables.extend(own.map(|(name, place)| (name.into(), place.to_owned())));
    set(variables, &[("USER", &user.name), ("LOGNAME", &user.name)]);
}

/// Says to a pip that cannot read the files of whoever runs the daemon what stands there.
pub(crate) fn instead_of_pip_files(variables: &mut Variables) {
    for (name, value) in pip_settings::for_pip(&pip_settings::of_this_machine()) {
        if !MISLEADING.contains(&name.as_str()) {
            variables.entry(name.into()).or_insert_with(|| value.into());
        }
    }
    // It reads no file then, and does not stumble over one that is closed to it (pip's own documentation).
    variables.insert("PIP_CONFIG_FILE".into(), "/dev/null".into());
}

/// Keeps both tools from the network. pip cannot install from its cache without asking an index first, so it is given
/// a folder of wheels.
pub(crate) fn offline(variables: &mut Variables, wheels: &Path) {
    set(variables, &[("UV_OFFLINE", "1"), ("PIP_NO_INDEX", "1")]);
    variables.insert("PIP_FIND_LINKS".into(), wheels.into());
}

/// The switch got another name in uv 0.11.
fn certificates_switch(uv: &Uv) -> &'static str {
    let mut parts = uv.version.split('.').map_while(|part| part.parse::<u32>().ok());
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if (major, minor) < (0, 11) { "UV_NATIVE_TLS" } else { "UV_SYSTEM_CERTS" }
}

fn inherited() -> Variables {
    let mut variables = environment::for_builds();
    variables.retain(|name, _| !MISLEADING.iter().any(|misleading| name == OsStr::new(misleading)));
    set(&mut variables, COMMON);
    variables
}

fn set(variables: &mut Variables, all: &[(&str, &str)]) {
    variables.extend(all.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uv(version: &str) -> Uv {
        Uv { version: version.into(), path: "/usr/bin/uv".into() }
    }

    #[test]
    fn each_uv_is_told_in_its_own_words() {
        assert_eq!(certificates_switch(&uv("0.4.30")), "UV_NATIVE_TLS");
        assert_eq!(certificates_switch(&uv("0.11.0")), "UV_SYSTEM_CERTS");
        assert_eq!(certificates_switch(&uv("1.0.0")), "UV_SYSTEM_CERTS");
    }

    #[test]
    fn another_user_finds_nothing_of_the_daemon() {
        let mut variables =
            Variables::from([("SSH_AUTH_SOCK".into(), "/run/x".into()), ("HOME".into(), "/root".into())]);
        let user = Identity { uid: 7, gid: 7, groups: Vec::new(), name: "anna".into() };
        of_user(&mut variables, &user, Path::new("/b/home"));
        let of = |name: &str| variables.get(OsStr::new(name)).and_then(|value| value.to_str());
        assert_eq!((of("HOME"), of("USER"), of("SSH_AUTH_SOCK")), (Some("/b/home"), Some("anna"), None));
        instead_of_pip_files(&mut variables);
        assert_eq!(variables[OsStr::new("PIP_CONFIG_FILE")], "/dev/null");
    }

    #[test]
    fn caches_are_mantyx_own() {
        let variables = for_uv(&uv("0.13.0"), Path::new("/c"));
        assert_eq!(variables[OsStr::new("UV_CACHE_DIR")], "/c/uv");
        assert_eq!(for_pip_with_cache(Path::new("/c"))[OsStr::new("PIP_CACHE_DIR")], "/c/pip");
    }
}
