//! Addresses that a repository gives for its submodules, which may begin at its own (gitmodules(5)).

use mantyx_core::{Error, Result};

use super::{Address, Remote, wrong};

impl Address {
    /// Reads an address as a repository that lies here has it: `../lib` lies beside it.
    pub(in crate::git) fn resolve(&self, text: &str) -> Result<Self> {
        if !text.starts_with("./") && !text.starts_with("../") {
            return Self::parse(text);
        }
        let (head, path) = self.split();
        let mut parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop().ok_or_else(|| leaves(text, self))?),
                name => parts.push(name),
            }
        }
        // What is in front stays whole, so that no number of `..` leads to another host.
        let whole = format!("{head}{}", parts.join("/"));
        #[cfg(test)]
        if head.starts_with("http://") {
            return Ok(Self::unencrypted(&whole));
        }
        Self::parse(&whole)
    }

    /// What says how to get to the host, and what follows.
    pub(super) fn split(&self) -> (&str, &str) {
        let authority = self.shown.find("://").map_or(0, |colon| colon + 3);
        let end = match &self.shown[authority..] {
            rest if authority > 0 => rest.find('/'),
            rest => rest.find(':'),
        };
        self.shown.split_at(end.map_or(self.shown.len(), |end| authority + end + 1))
    }

    /// Whether the same server answers there in the same way, so that what it may be told at one it may be told at
    /// the other.
    pub(in crate::git) fn is_same_host(&self, other: &Self) -> bool {
        match (&self.remote, &other.remote) {
            (Remote::Https, Remote::Https) => self.split().0.eq_ignore_ascii_case(other.split().0),
            (Remote::Ssh(one), Remote::Ssh(two)) => {
                one.host.eq_ignore_ascii_case(&two.host) && one.port.unwrap_or(22) == two.port.unwrap_or(22)
            }
            (Remote::File, Remote::File) => true,
            _ => false,
        }
    }
}

fn leaves(text: &str, from: &Address) -> Error {
    let shown: String = text.chars().take(200).filter(|c| !c.is_control()).collect();
    wrong(format!("`{shown}` leads above `{}`", from.shown))
        .hint("Correct the address of the submodule in `.gitmodules`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolved(base: &str, text: &str) -> Option<String> {
        Address::parse(base).unwrap().resolve(text).ok().map(|address| address.shown)
    }

    #[test]
    fn relative_addresses_begin_at_the_repository() {
        let table = [
            ("https://h/a/b.git", "../c.git", Some("https://h/a/c.git")),
            ("https://h/a/b/", "./c", Some("https://h/a/b/c")),
            ("https://h/a/b", "../../x/y", Some("https://h/x/y")),
            ("https://h/a/b", "../../../evil/x", None),
            ("git@h:a/b", "../c", Some("git@h:a/c")),
            ("git@h:a", "../../c", None),
            ("ssh://git@h:22/a/b", "../c", Some("ssh://git@h:22/a/c")),
            ("file:///srv/a", "../b", Some("file:///srv/b")),
            ("https://h/a/b", "https://other/c", Some("https://other/c")),
            ("https://h/a/b", "/c", None),
        ];
        for (base, text, expected) in table {
            assert_eq!(resolved(base, text).as_deref(), expected, "{base} {text}");
        }
    }

    proptest! {
        #[test]
        fn no_relative_address_leaves_the_host(text in r"\.\.?/(\.\./|\./|[a-z@:/]{0,4}){0,8}") {
            for base in ["https://h/a/b", "git@h:a/b", "ssh://git@h:22/a/b"] {
                let base = Address::parse(base).unwrap();
                if let Ok(found) = base.resolve(&text) {
                    prop_assert!(base.is_same_host(&found), "{}", found.shown);
                }
            }
        }
    }
}
