//! How this machine reaches packages, as it was told to pip, in the words of uv.
//!
//! uv does not read pip's configuration. A machine whose owner pointed pip at an index, a proxy's certificate or a
//! folder of wheels expects the same of Mantyx, whichever tool it takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// pip's settings by their long option name, such as `index-url`.
pub(crate) type Settings = BTreeMap<String, String>;

/// Which setting of pip is which variable of uv, and how it writes several values: pip separates by white space.
const SAME: &[(&str, &str, &str)] = &[
    ("index-url", "UV_DEFAULT_INDEX", " "),
    ("extra-index-url", "UV_INDEX", " "),
    ("find-links", "UV_FIND_LINKS", ","),
    ("trusted-host", "UV_INSECURE_HOST", " "),
    ("no-index", "UV_NO_INDEX", " "),
    ("default-timeout", "UV_HTTP_TIMEOUT", " "),
    ("timeout", "UV_HTTP_TIMEOUT", " "),
    ("cert", "SSL_CERT_FILE", " "),
];

/// The settings of this machine: pip's files, then its variables, which win.
pub(crate) fn of_this_machine() -> Settings {
    let mut settings = Settings::new();
    for file in files() {
        if let Ok(text) = std::fs::read_to_string(file) {
            settings.extend(parse(&text));
        }
    }
    settings.extend(of_variables(std::env::vars()));
    settings
}

/// pip's files, the ones that win last (`pip config debug` lists them).
fn files() -> Vec<PathBuf> {
    if let Some(only) = std::env::var_os("PIP_CONFIG_FILE") {
        return vec![only.into()];
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let user = std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let machine = [Path::new("/etc/xdg/pip/pip.conf"), Path::new("/etc/pip.conf")];
    let mut files: Vec<PathBuf> = machine.iter().map(|path| path.to_path_buf()).collect();
    files.extend([home.join(".pip/pip.conf"), user.join("pip/pip.conf")]);
    files
}

/// Reads `[global]` and `[install]`, the latter winning. A value may go on in indented lines.
fn parse(text: &str) -> Settings {
    let (mut global, mut install) = (Settings::new(), Settings::new());
    let mut section = String::new();
    let mut key = String::new();
    for line in
        text.lines().filter(|line| !line.trim_start().starts_with(['#', ';']) && !line.trim().is_empty())
    {
        if let Some(name) = line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
            continue;
        }
        let settings = match section.as_str() {
            "global" => &mut global,
            "install" => &mut install,
            _ => continue,
        };
        if line.starts_with([' ', '\t']) {
            let value = settings.entry(key.clone()).or_default();
            value.push_str(if value.is_empty() { "" } else { " " });
            value.push_str(line.trim());
        } else if let Some((name, value)) = line.split_once(['=', ':']) {
            key = name.trim().replace('_', "-");
            settings.insert(key.clone(), value.trim().to_owned());
        }
    }
    global.extend(install);
    global
}

/// `PIP_INDEX_URL` is `index-url`.
fn of_variables(all: impl Iterator<Item = (String, String)>) -> Settings {
    let settings = all.filter_map(|(name, value)| {
        let option = name.strip_prefix("PIP_")?.to_ascii_lowercase().replace('_', "-");
        Some((option, value))
    });
    settings.filter(|(_, value)| !value.is_empty()).collect()
}

/// The same for a pip that cannot read those files, as variables.
pub(crate) fn for_pip(settings: &Settings) -> BTreeMap<String, String> {
    let variable = |option: &str| format!("PIP_{}", option.to_ascii_uppercase().replace('-', "_"));
    let given = settings.iter().filter(|(_, value)| !value.is_empty());
    given.map(|(option, value)| (variable(option), value.clone())).collect()
}

/// What uv has to be told to do the same.
pub(crate) fn for_uv(settings: &Settings) -> BTreeMap<&'static str, String> {
    let mut variables = BTreeMap::new();
    for (option, variable, separator) in SAME {
        if let Some(value) = settings.get(*option).filter(|value| !value.is_empty()) {
            let words: Vec<&str> = value.split_whitespace().collect();
            variables.insert(*variable, words.join(separator));
        }
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# machine\n[global]\nindex-url = https://mirror/simple\nextra_index_url =\n    https://one\n\
                        \x20   https://two\n[install]\nfind-links: /opt/a /opt/b\n[freeze]\nuser = yes\n";

    #[test]
    fn reads_a_file() {
        let settings = parse(FILE);
        assert_eq!(settings["index-url"], "https://mirror/simple");
        assert_eq!(settings["extra-index-url"], "https://one https://two");
        assert_eq!(settings["find-links"], "/opt/a /opt/b");
        assert!(!settings.contains_key("user"));
    }

    #[test]
    fn says_the_same_to_uv() {
        let mut settings = parse(FILE);
        let given = [("PIP_CERT", "/etc/ca.pem"), ("PIP_INDEX_URL", "https://mine"), ("HOME", "/root")];
        settings.extend(of_variables(given.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))));
        let variables = for_uv(&settings);
        assert_eq!(variables["UV_DEFAULT_INDEX"], "https://mine");
        assert_eq!(variables["UV_INDEX"], "https://one https://two");
        assert_eq!(variables["UV_FIND_LINKS"], "/opt/a,/opt/b");
        assert_eq!(variables["SSL_CERT_FILE"], "/etc/ca.pem");
        assert_eq!(variables.len(), 4);
    }

    #[test]
    fn says_the_same_to_pip_without_its_files() {
        let variables = for_pip(&parse(FILE));
        assert_eq!(variables["PIP_INDEX_URL"], "https://mirror/simple");
        assert_eq!(variables["PIP_EXTRA_INDEX_URL"], "https://one https://two");
        assert_eq!(variables["PIP_FIND_LINKS"], "/opt/a /opt/b");
    }
}
