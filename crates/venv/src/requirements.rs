//! What `requirements.txt` and the files that it includes declare, as far as Mantyx itself must know it: pip and uv
//! read the files themselves when they install (pip's reference, "Requirements File Format").

use std::collections::{BTreeMap, HashSet};
use std::path::{Component, Path, PathBuf};

use crate::lock::normalise;

/// The hashes of each package, by its normalised name and its version.
pub(crate) type Hashes = BTreeMap<(String, String), Vec<String>>;

/// Options that say where packages come from. They hold for the whole install, so also for the one from a lock.
const LASTING: &[&str] = &[
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--no-index",
    "--no-binary",
    "--only-binary",
    "--prefer-binary",
    "--pre",
    "--trusted-host",
];

/// A tree of requirements files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requirements {
    /// What is required, as it is written, without options of a line.
    pub(crate) declared: Vec<String>,
    /// Options that hold for all.
    pub(crate) options: Vec<String>,
    /// The hashes that are written down.
    pub(crate) hashes: Hashes,
}

impl Requirements {
    /// Reads the tree of a source. `text` reads a file of it; one that is not there is for the tool to name.
    pub(crate) fn read(text: &mut dyn FnMut(&Path) -> Option<String>) -> Self {
        let mut all = Self::default();
        all.include(Path::new("requirements.txt"), text, &mut HashSet::new());
        all
    }

    fn include(
        &mut self,
        file: &Path,
        text: &mut dyn FnMut(&Path) -> Option<String>,
        seen: &mut HashSet<PathBuf>,
    ) {
        let Some(file) = inside(file) else { return };
        if !seen.insert(file.clone()) {
            return;
        }
        let Some(content) = text(&file) else { return };
        let folder = file.parent().unwrap_or(Path::new(""));
        for line in logical_lines(&content) {
            match option(&line, "-r", "--requirement") {
                Some(other) => self.include(&folder.join(other), text, seen),
                None => self.line(&line, folder),
            }
        }
    }

    fn line(&mut self, line: &str, folder: &Path) {
        if let Some(editable) = option(line, "-e", "--editable") {
            self.declared.push(editable.to_owned());
        } else if line.starts_with('-') {
            let name = line.split(['=', ' ', '\t']).next().unwrap_or(line);
            if LASTING.contains(&name) {
                self.options.push(from_the_top(line, folder));
            }
        } else {
            self.requirement(line);
        }
    }

    /// Options of one requirement stand behind it.
    fn requirement(&mut self, line: &str) {
        let (requirement, options) = line.split_once(" --").unwrap_or((line, ""));
        let requirement = requirement.trim();
        self.declared.push(requirement.to_owned());
        let bare = requirement.split(';').next().unwrap_or(requirement);
        let pinned = name(bare).zip(bare.split_once("==").map(|(_, version)| version.trim().to_owned()));
        let words = options.split_whitespace().map(|word| word.trim_start_matches("--"));
        let hashes: Vec<String> =
            words.filter_map(|word| word.strip_prefix("hash=")).map(str::to_owned).collect();
        if let Some(pinned) = pinned.filter(|_| !hashes.is_empty()) {
            self.hashes.entry(pinned).or_default().extend(hashes);
        }
    }
}

/// Lines without comments, those that end in a backslash joined with the next.
fn logical_lines(content: &str) -> Vec<String> {
    let joined = content.replace("\\\r\n", " ").replace("\\\n", " ");
    let bare = joined.lines().map(|line| without_comment(line).trim().to_owned());
    bare.filter(|line| !line.is_empty()).collect()
}

/// A `#` begins a comment at the start of a line and behind white space; elsewhere it belongs to an address.
fn without_comment(line: &str) -> &str {
    let starts = |at: usize| at == 0 || line[..at].ends_with([' ', '\t']);
    line.match_indices('#').find(|(at, _)| starts(*at)).map_or(line, |(at, _)| &line[..at])
}

/// A folder of wheels counts from the file that names it; from here on it counts from the top.
fn from_the_top(line: &str, folder: &Path) -> String {
    match find_links(line) {
        Some(place) => format!("--find-links {}", folder.join(place).display()),
        None => line.to_owned(),
    }
}

/// The folder of wheels that an option names, when it is no address.
pub(crate) fn find_links(line: &str) -> Option<&str> {
    option(line, "-f", "--find-links").filter(|place| !place.contains("://"))
}

/// A path in the source without `.` and `..`; `None` when it leads out of it.
pub(crate) fn inside(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir => plain.pop().then_some(())?,
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(plain)
}

/// The value of an option of a requirements file: `-e x`, `-ex`, `--editable x` or `--editable=x`.
pub(crate) fn option<'a>(line: &'a str, short: &str, long: &str) -> Option<&'a str> {
    let line = line.trim();
    let value = match line.strip_prefix(long) {
        Some(rest) => rest.strip_prefix(['=', ' ', '\t'])?,
        None => line.strip_prefix(short)?,
    };
    Some(value.trim())
}

/// The normalised name of a requirement (PEP 508); none when it is a bare path or address.
pub(crate) fn name(requirement: &str) -> Option<String> {
    let requirement = requirement.trim();
    let end = requirement.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-'));
    let (name, rest) = requirement.split_at(end.unwrap_or(requirement.len()));
    let follows = rest.trim_start().chars().next().is_none_or(|c| "[(<>=!~;@,".contains(c));
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && follows;
    // `lib.whl` and `lib-1.tar.gz` beside the file are paths.
    let is_archive = [".whl", ".zip", ".tar.gz"].iter().any(|end| name.ends_with(end));
    (is_name && !is_archive).then(|| normalise(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(files: &[(&str, &str)]) -> Requirements {
        Requirements::read(&mut |path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn the_whole_tree_is_read_once() {
        let read = read(&[
            (
                "requirements.txt",
                "# all\nFlask[async] >= 3 ; python_version > '3'  # web\n-r more/a.txt\n-c c.txt\n",
            ),
            (
                "more/a.txt",
                "-r ../requirements.txt\n-e ./lib\n-f wheels\n--index-url=https://x/simple\n-r ../../out\n",
            ),
            ("c.txt", "six==1\n"),
        ]);
        assert_eq!(read.declared, ["Flask[async] >= 3 ; python_version > '3'", "./lib"]);
        assert_eq!(read.options, ["--find-links more/wheels", "--index-url=https://x/simple"]);
    }

    proptest! {
        #[test]
        fn no_text_brings_it_down(text in "([-a-z#@./=\\\\ é]|\\PC|\n){0,80}") {
            let known = read(&[("requirements.txt", &text)]);
            prop_assert!(known.declared.len() + known.options.len() <= text.lines().count());
        }
    }

    #[test]
    fn hashes_belong_to_a_version() {
        let text = "six==1.17.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\niniconfig==2.0 ; a --hash=sha256:cc\n";
        let read = read(&[("requirements.txt", text)]);
        assert_eq!(read.declared, ["six==1.17.0", "iniconfig==2.0 ; a"]);
        assert_eq!(read.hashes[&("six".to_owned(), "1.17.0".to_owned())], ["sha256:aa", "sha256:bb"]);
        assert_eq!(read.hashes[&("iniconfig".to_owned(), "2.0".to_owned())], ["sha256:cc"]);
    }

    #[test]
    fn names_are_told_from_paths() {
        for (requirement, wanted) in [
            ("Zope.Interface>=1", Some("zope-interface")),
            ("six", Some("six")),
            ("requests [socks] ; x", Some("requests")),
            ("a @ https://x/b.whl", Some("a")),
            ("./lib", None),
            ("libs/lib", None),
            ("git+https://x/a.git", None),
            ("https://x/a.whl", None),
            ("a-1.0-py3-none-any.whl", None),
        ] {
            assert_eq!(name(requirement).as_deref(), wanted, "{requirement}");
        }
    }

    #[test]
    fn reads_every_form_of_an_option() {
        let editable = |line| option(line, "-e", "--editable");
        assert_eq!(editable("-e ./x"), Some("./x"));
        assert_eq!(editable("--editable=git+https://x"), Some("git+https://x"));
        assert_eq!(editable("-e."), Some("."));
        assert_eq!(editable("elastic==1 # -e"), None);
    }
}
