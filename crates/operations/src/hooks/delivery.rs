//! What a webhook says: GitHub, GitLab, Gitea and Forgejo tell of a push in nearly the same words.

use mantyx_core::{Code, Error, Result};
use serde::Deserialize;

use super::signature::HookSignature;

/// One delivery of a webhook, as it came.
#[derive(Clone, Default)]
pub struct HookDelivery {
    /// What its header calls it: `push`, `ping`, `Push Hook`.
    pub event: Option<String>,
    /// All signatures that it has.
    pub signatures: Vec<HookSignature>,
    /// What was signed.
    pub body: Vec<u8>,
    /// The JSON, where that is only a part of the body.
    pub payload: Option<String>,
}

/// What the payload of a push says, as far as it matters.
#[derive(Default, Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: Option<String>,
    /// The commit after it, or zeros.
    after: Option<String>,
    #[serde(default)]
    deleted: bool,
    repository: Option<Repository>,
    project: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    default_branch: Option<String>,
}

/// What a delivery comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Somebody tries whether it arrives.
    Ping,
    /// Of something else than a push.
    Other(String),
    /// Of a push to something that is not followed.
    Elsewhere(String),
    /// Of the end of what is followed.
    Gone,
    /// Of a push to what is followed, or nobody can say to what.
    Pushed,
}

impl HookDelivery {
    /// Whether every signature that it has is right. Who sends none has shown the secret by knowing the address.
    pub(super) fn is_signed_with(&self, secret: &str) -> bool {
        // All of them, so that it takes as long whichever is wrong.
        self.signatures.iter().fold(true, |all, one| all & one.is_of(secret, &self.body))
    }

    /// What it tells whoever follows a branch or a tag; without one, the branch that was followed when somebody last
    /// looked, or the default one.
    pub(super) fn told(&self, follows: Option<&str>, last: Option<&str>) -> Result<Told> {
        match self.event.as_deref() {
            Some("ping") => return Ok(Told::Ping),
            Some("push" | "Push Hook" | "Tag Push Hook") | None => {}
            Some(other) => return Ok(Told::Other(other.chars().take(40).collect())),
        }
        let push = self.push()?;
        let project = push.repository.or(push.project);
        let default = project.and_then(|project| project.default_branch);
        let followed = follows.or(default.as_deref()).or(last);
        Ok(match (push.reference, followed) {
            (Some(pushed), Some(followed)) if !is_same(&pushed, followed) => Told::Elsewhere(pushed),
            (Some(_), _) if push.deleted || push.after.as_deref().is_some_and(is_zero) => Told::Gone,
            _ => Told::Pushed,
        })
    }

    fn push(&self) -> Result<Push> {
        let json = self.payload.as_ref().map_or(self.body.as_slice(), String::as_bytes);
        if json.trim_ascii().is_empty() {
            return Ok(Push::default());
        }
        serde_json::from_slice(json).map_err(|error| {
            Error::new(Code::Malformed, format!("The payload is not the JSON of a push: {error}"))
                .hint("Have it sent as `application/json`")
        })
    }
}

/// Whether a full name, as payloads have it, is what a person calls it.
fn is_same(full: &str, called: &str) -> bool {
    let of = |prefix: &str| full.strip_prefix(prefix).is_some_and(|name| name == called);
    full == called || ["refs/", "refs/heads/", "refs/tags/"].into_iter().any(of)
}

/// The name of no commit.
fn is_zero(commit: &str) -> bool {
    !commit.is_empty() && commit.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn delivery(event: Option<&str>, payload: &Value) -> HookDelivery {
        let body = payload.to_string().into_bytes();
        HookDelivery { event: event.map(str::to_owned), body, ..HookDelivery::default() }
    }

    fn told(payload: &Value, follows: Option<&str>) -> Told {
        delivery(Some("push"), payload).told(follows, Some("refs/heads/last")).unwrap()
    }

    #[test]
    fn a_push_to_what_is_followed_is_told_from_others() {
        let push = |reference: &str| json!({ "ref": reference, "after": "ab12" });
        assert_eq!(told(&push("refs/heads/main"), Some("main")), Told::Pushed);
        assert_eq!(told(&push("refs/tags/v1"), Some("v1")), Told::Pushed);
        assert_eq!(told(&push("refs/heads/main"), Some("heads/main")), Told::Pushed);
        assert_eq!(
            told(&push("refs/heads/a/main"), Some("main")),
            Told::Elsewhere("refs/heads/a/main".into())
        );
        assert_eq!(told(&push("refs/heads/main"), Some("mai")), Told::Elsewhere("refs/heads/main".into()));
        assert_eq!(told(&push("refs/heads/last"), None), Told::Pushed, "as it was when somebody looked");
        assert_eq!(told(&push("refs/heads/other"), None), Told::Elsewhere("refs/heads/other".into()));
    }

    #[test]
    fn the_default_branch_is_followed_where_nothing_is_named() {
        for project in ["repository", "project"] {
            let push = json!({ "ref": "refs/heads/trunk", project: { "default_branch": "trunk" } });
            assert_eq!(told(&push, None), Told::Pushed);
            assert_eq!(told(&push, Some("main")), Told::Elsewhere("refs/heads/trunk".into()));
        }
    }

    #[test]
    fn a_branch_that_is_gone_is_not_looked_at() {
        let zeros = "0".repeat(40);
        for push in [
            json!({ "ref": "refs/heads/main", "after": zeros }),
            json!({ "ref": "refs/heads/main", "after": "ab", "deleted": true }),
        ] {
            assert_eq!(told(&push, Some("main")), Told::Gone);
        }
    }

    #[test]
    fn each_provider_has_its_words() {
        let push = json!({ "ref": "refs/heads/main" });
        let of = |event: Option<&str>| delivery(event, &push).told(Some("main"), None).unwrap();
        for event in [None, Some("push"), Some("Push Hook"), Some("Tag Push Hook")] {
            assert_eq!(of(event), Told::Pushed, "{event:?}");
        }
        assert_eq!(of(Some("ping")), Told::Ping);
        assert_eq!(of(Some("issues")), Told::Other("issues".into()));
    }

    #[test]
    fn whoever_says_nothing_has_it_looked_at_and_nonsense_is_refused() {
        assert_eq!(HookDelivery::default().told(Some("main"), None).unwrap(), Told::Pushed);
        let form = HookDelivery {
            body: b"payload=%7B%7D".to_vec(),
            payload: Some("{\"ref\": \"refs/heads/x\"}".into()),
            ..HookDelivery::default()
        };
        assert_eq!(form.told(Some("x"), None).unwrap(), Told::Pushed);
        let nonsense = HookDelivery { body: b"<xml/>".to_vec(), ..HookDelivery::default() };
        assert_eq!(nonsense.told(None, None).unwrap_err().code(), Code::Malformed);
    }

    #[test]
    fn one_wrong_signature_spoils_the_others() {
        let right = HookSignature::Secret("s".into());
        let wrong = HookSignature::Secret("x".into());
        let signed = |signatures: Vec<HookSignature>| HookDelivery { signatures, ..HookDelivery::default() };
        assert!(signed(vec![right.clone()]).is_signed_with("s"));
        assert!(!signed(vec![right, wrong]).is_signed_with("s"));
        assert!(signed(Vec::new()).is_signed_with("s"));
    }
}
