//! A look at what an app follows, and what comes of it.
//!
//! What is to be done is written down before it is done: a daemon that dies in between looks again when it is back, and
//! finds either that the update was finished, or that it still has to begin. Once an update has begun, its commit is
//! marked as tried: whatever becomes of it, it does not begin by itself again.

use mantyx_api_types::{OperationView, Problem, TrackingOutcome, TrackingResult, UpdateCheck};
use mantyx_core::{Actor, AppId, AppName, Code, Error, EventKind, Origin, Result, Scope, TokenId};
use mantyx_ingest::Reach;
use mantyx_registry::tables::trackings::{self, Tracking};
use mantyx_registry::tables::{instances, principals, releases};
use mantyx_registry::{Change, Json, Read, views};
use serde_json::json;

use super::decide::{Kept, Known, News, Verdict, decide};
use super::followed::Followed;
use super::{tracking_of, value};
use crate::mantyx::{Caller, Mantyx};
use crate::switch::NewSource;
use crate::work::whole;

/// An app that is followed, as it is when somebody looks.
struct Subject {
    name: AppName,
    authority: Authority,
    followed: Followed,
}

impl Mantyx {
    /// Looks at what an app follows, and does what its mode says. Looks at the same app come one after the other.
    pub(crate) async fn look(&self, actor: &Actor, app: AppId) -> Result<TrackingOutcome> {
        let (mantyx, actor) = (self.clone(), actor.clone());
        whole(async move {
            let _turn = mantyx.inner().following.turns.app(app).await;
            mantyx.look_in_turn(&actor, app).await
        })
        .await
    }

    /// The same, for somebody who does not wait for it. There is one such look to come at most, however often it is
    /// asked for. Before this comes back it is written down, and the next daemon makes up for one that did not come about.
    pub(crate) async fn look_soon(&self, actor: Actor, app: AppId) -> Result<()> {
        let owed = move |change: &mut Change<'_, '_>| {
            trackings::update(change, app, &trackings::Changes { waiting: Some(true), ..Default::default() })
        };
        self.registry().change(&actor, owed).await?;
        if !self.inner().following.queue(app) {
            return Ok(());
        }
        let mantyx = self.clone();
        tokio::spawn(async move {
            let following = &mantyx.inner().following;
            let _turn = following.turns.app(app).await;
            following.begins(app);
            // What went wrong is kept with the tracking.
            drop(mantyx.look_in_turn(&actor, app).await);
        });
        Ok(())
    }

    async fn look_in_turn(&self, actor: &Actor, app: AppId) -> Result<TrackingOutcome> {
        let looked = self.look_and_act(actor, app).await;
        if let Err(error) = &looked {
            self.note_problem(app, error).await?;
        }
        looked
    }

    async fn look_and_act(&self, actor: &Actor, app: AppId) -> Result<TrackingOutcome> {
        let Subject { name, authority, followed } = self.registry().read(move |db| subject(db, app)).await?;
        let check = self.compare(followed.clone(), authority.reach).await;
        let check = check.map_err(|error| authority.explain(error))?;
        let head = check.head.clone();
        let settled =
            self.registry().change(actor, move |change| settle(change, app, &followed, &check)).await;
        let (verdict, followed) = settled?;
        let result = match verdict {
            Verdict::UpToDate => TrackingResult::UpToDate,
            Verdict::Available(_) => TrackingResult::Available,
            Verdict::HeldBack => TrackingResult::HeldBack,
            Verdict::Apply => {
                let source = NewSource::followed(followed, head.clone(), authority.reach);
                let caller = stand_in(authority.scope);
                let begun = self.update_followed(actor, &caller, &name, source).await;
                let begun = begun.map_err(|error| authority.explain(error));
                return self.begun(app, head, begun).await;
            }
        };
        Ok(outcome(result, head))
    }

    /// Writes down what became of the attempt to begin an update.
    async fn begun(&self, app: AppId, head: String, begun: Result<OperationView>) -> Result<TrackingOutcome> {
        let changes = match &begun {
            Ok(_) => trackings::Changes {
                tried: Some(Some(head.clone())),
                waiting: Some(false),
                ..Default::default()
            },
            // It is owed, and begins when that one has ended.
            Err(error) if error.code() == Code::OperationInProgress => {
                self.inner().following.ring();
                return Ok(outcome(TrackingResult::Waiting, head));
            }
            Err(_) => trackings::Changes { waiting: Some(false), ..Default::default() },
        };
        let write = move |change: &mut Change<'_, '_>| trackings::update(change, app, &changes);
        self.registry().change(&Actor::Mantyx, write).await?;
        let operation = begun?.id;
        Ok(TrackingOutcome { operation: Some(operation), ..outcome(TrackingResult::Updating, head) })
    }

    /// Keeps why a look, or what came after it, could not be done.
    async fn note_problem(&self, app: AppId, error: &Error) -> Result<()> {
        tracing::warn!(?error, %app, "what an app follows could not be looked at or taken into use");
        let problem = value(&Problem::from(error))?;
        let note = move |change: &mut Change<'_, '_>| {
            let changes = trackings::Changes {
                checked_at: Some(Some(change.now())),
                problem: Some(Some(Json(problem))),
                waiting: Some(false),
                ..Default::default()
            };
            trackings::update(change, app, &changes)
        };
        self.registry().change(&Actor::Mantyx, note).await
    }
}

/// How far whatever is done on account of a tracking may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Authority {
    scope: Scope,
    reach: Reach,
    setter: Setter,
}

/// Whoever set a tracking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setter {
    /// Might set it again.
    Stands,
    /// Had a token that was revoked, has ended, or belongs to another Mantyx.
    Gone,
}

impl Authority {
    /// Says what has become of whoever might do what is refused now.
    fn explain(self, error: Error) -> Error {
        if self.setter == Setter::Stands || error.code() != Code::Forbidden {
            return error;
        }
        let detail = format!("{}: the token that set how the app is followed is gone", error.detail());
        Error::new(Code::Forbidden, detail).hint("Set how the app is followed again, with a token that may")
    }
}

/// As far as whoever set it might go, with what they saw: an administrator answers for the branch that was followed then,
/// for as long as the token is good. Otherwise, and where somebody has the app come from elsewhere since, it goes as far
/// as anybody may who changes apps.
fn authority(tracking: &Tracking, followed: &Followed, setter: Setter) -> Authority {
    let is_same_place = tracking.of_url == followed.url;
    let is_same = is_same_place && tracking.of_reference == followed.reference;
    let scope = match setter {
        Setter::Stands => tracking.scope.0,
        Setter::Gone => tracking.scope.0.min(Scope::Operate),
    };
    Authority {
        scope: if is_same { scope } else { scope.min(Scope::Operate) },
        reach: if is_same_place && scope.covers(Scope::Admin) { Reach::ThisMachine } else { Reach::Network },
        setter,
    }
}

fn setter(db: &mut Read<'_>, tracking: &Tracking) -> Result<Setter> {
    let Some(token) = &tracking.token_id else { return Ok(Setter::Stands) };
    let found = principals::find(db, token.0)?;
    let is_good = found.is_some_and(|found| found.expires_at.is_none_or(|end| end > chrono::Utc::now()));
    Ok(if is_good { Setter::Stands } else { Setter::Gone })
}

/// Whoever stands in for who set a tracking.
fn stand_in(scope: Scope) -> Caller {
    let token = mantyx_api_types::TokenView {
        id: TokenId::generate(),
        name: "tracking".to_owned(),
        scope,
        created_at: chrono::Utc::now(),
        expires_at: None,
    };
    Caller { token, address: String::new() }
}

fn subject(db: &mut Read<'_>, app: AppId) -> Result<Subject> {
    let row = views::find_app(db, app)?;
    if row.deleted_at.is_some() {
        return Err(Error::new(Code::IllegalState, format!("`{}` is in the trash", row.name.0)));
    }
    let tracking = tracking_of(db, app, &row.name.0)?;
    let followed = Followed::of(&row.name.0, active_origin(db, app)?, tracking.reference.clone())?;
    let setter = setter(db, &tracking)?;
    Ok(Subject { name: row.name.0, authority: authority(&tracking, &followed, setter), followed })
}

pub(crate) fn active_origin(db: &mut Read<'_>, app: AppId) -> Result<Origin> {
    let instance = instances::of_app(db, app)?;
    Ok(releases::get(db, instance.release_id.0)?.origin.0)
}

/// Keeps what was found and decides what is done about it, by what is true now: a look takes a while. What was set to
/// be followed otherwise meanwhile is left for the next look.
fn settle(
    change: &mut Change<'_, '_>,
    app: AppId,
    followed: &Followed,
    check: &UpdateCheck,
) -> Result<(Verdict, Followed)> {
    let row = views::find_app(change, app)?;
    let tracking = tracking_of(change, app, &row.name.0)?;
    let now = Followed::of(&row.name.0, active_origin(change, app)?, tracking.reference)?;
    let known = Known {
        mode: tracking.mode.0,
        active: &now.commit,
        told: tracking.told.as_deref(),
        tried: tracking.tried.as_deref(),
        kept: kept(change, app, check)?,
    };
    let is_other = now.url != followed.url || now.reference != followed.reference;
    let verdict = if is_other { Verdict::UpToDate } else { decide(known, &check.head) };
    let fresh = verdict == Verdict::Available(News::Fresh);
    let changes = trackings::Changes {
        checked_at: Some(Some(change.now())),
        found: Some(Some(Json(value(check)?))),
        problem: Some(None),
        told: fresh.then(|| Some(check.head.clone())),
        // Where there is another, what was tried before may come once more.
        tried: (tracking.tried.as_ref() != Some(&check.head)).then_some(None),
        waiting: Some(verdict == Verdict::Apply),
        ..Default::default()
    };
    trackings::update(change, app, &changes)?;
    if fresh {
        change.record_app(EventKind::AppUpdateAvailable, &row, in_record(check))?;
    }
    Ok((verdict, now))
}

/// Whether a release of the head is kept that somebody went back from: they had a reason. Where the release is older than
/// the active one, and the branch has left the commit of that behind, it is the branch that went back.
pub(super) fn kept(db: &mut Read<'_>, app: AppId, check: &UpdateCheck) -> Result<Kept> {
    let active = instances::of_app(db, app)?.release_id.0;
    let active = releases::get(db, active)?.number;
    let is_of_head = |release: &releases::Release| match &release.origin.0 {
        Origin::Git { commit, .. } => *commit == check.head,
        Origin::Archive { .. } | Origin::Script { .. } => false,
    };
    let is_left = |release: &releases::Release| release.number > active || !check.rewritten;
    let kept = releases::of_app(db, app)?;
    Ok(if kept.iter().any(|release| is_of_head(release) && is_left(release)) { Kept::Yes } else { Kept::No })
}

fn in_record(check: &UpdateCheck) -> serde_json::Value {
    json!({
        "active": check.active,
        "head": check.head,
        "ref": check.reference,
        "commits": check.commits.len(),
        "subject": check.commits.first().map(|commit| &commit.subject),
    })
}

fn outcome(result: TrackingResult, head: String) -> TrackingOutcome {
    let short = head.get(..12).unwrap_or(&head);
    let detail = match result {
        TrackingResult::Available => format!("Commit {short} is there"),
        TrackingResult::Updating => format!("Commit {short} is being taken into use"),
        TrackingResult::Waiting => {
            format!("Commit {short} is taken into use when another operation of the app has ended")
        }
        TrackingResult::HeldBack => {
            format!("Commit {short} was tried before and is left alone until there is another")
        }
        TrackingResult::UpToDate
        | TrackingResult::Ping
        | TrackingResult::Ignored
        | TrackingResult::Queued => {
            format!("Commit {short} is the newest one, and active")
        }
    };
    TrackingOutcome { result, detail, head: Some(head), operation: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use mantyx_core::TrackingMode;
    use mantyx_registry::Word;

    fn set_by(scope: Scope) -> Tracking {
        Tracking {
            app_id: Word(AppId::generate()),
            mode: Word(TrackingMode::Apply),
            cron: None,
            reference: None,
            scope: Word(scope),
            token_id: None,
            of_url: "https://forge/tool".into(),
            of_reference: Some("main".into()),
            set_at: DateTime::UNIX_EPOCH,
            set_by: "owner".into(),
            hook_hash: None,
            hook_made_at: None,
            checked_at: None,
            found: None,
            problem: None,
            told: None,
            tried: None,
            waiting: false,
        }
    }

    fn from(url: &str, reference: &str) -> Followed {
        Followed {
            url: url.into(),
            reference: Some(reference.into()),
            subdir: None,
            commit: "aaaa".into(),
            edited: vec![],
            credential: None,
            submodules: false,
        }
    }

    #[test]
    fn an_administrator_answers_for_what_was_followed_and_for_nothing_else() {
        let admin = set_by(Scope::Admin);
        let of = |followed: &Followed| {
            let found = authority(&admin, followed, Setter::Stands);
            (found.scope, found.reach)
        };
        assert_eq!(of(&from("https://forge/tool", "main")), (Scope::Admin, Reach::ThisMachine));
        assert_eq!(of(&from("https://forge/tool", "evil")), (Scope::Operate, Reach::ThisMachine));
        assert_eq!(of(&from("https://evil/tool", "main")), (Scope::Operate, Reach::Network));
        let here = from("https://forge/tool", "main");
        let expected = |setter| Authority { scope: Scope::Operate, reach: Reach::Network, setter };
        assert_eq!(authority(&set_by(Scope::Operate), &here, Setter::Stands), expected(Setter::Stands));
        assert_eq!(authority(&admin, &here, Setter::Gone), expected(Setter::Gone));
    }
}
