//! `trackings`: how the git origin of an app is followed, and what came of it.

use diesel::prelude::*;
use mantyx_core::{AppId, Result, Scope, Timestamp, TokenId, TrackingMode};
use serde_json::Value;

use crate::fault::Doing;
use crate::schema::trackings;
use crate::{Json, Read, Word, Write};

/// A row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = trackings)]
pub struct Tracking {
    /// Whose it is.
    pub app_id: Word<AppId>,
    /// What is done when the origin has moved on.
    pub mode: Word<TrackingMode>,
    /// When somebody looks.
    pub cron: Option<String>,
    /// What is followed instead of what the active release came from.
    pub reference: Option<String>,
    /// How far the token of whoever set it reached. What is done on its account may do no more.
    pub scope: Word<Scope>,
    /// The token that set it; none where it was the owner, or a browser that logged in.
    pub token_id: Option<Word<TokenId>>,
    /// The repository that was followed when it was set.
    pub of_url: String,
    /// What of it was followed then.
    pub of_reference: Option<String>,
    /// When it was last set.
    pub set_at: Timestamp,
    /// By whom.
    pub set_by: String,
    /// SHA-256 of the secret of the webhook, in hexadecimal.
    pub hook_hash: Option<String>,
    /// When that was made.
    pub hook_made_at: Option<Timestamp>,
    /// When somebody last looked.
    pub checked_at: Option<Timestamp>,
    /// What the last look found, as the API says it.
    pub found: Option<Json<Value>>,
    /// Why the last look, or what came after it, could not be done, as the API says it.
    pub problem: Option<Json<Value>>,
    /// The last commit that was told of.
    pub told: Option<String>,
    /// The last commit that was taken into use, or was to be.
    pub tried: Option<String>,
    /// Whether an update waits for another operation to end.
    pub waiting: bool,
}

/// Fields that change.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = trackings)]
pub struct Changes {
    /// Another thing to do.
    pub mode: Option<Word<TrackingMode>>,
    /// Other times, or none.
    pub cron: Option<Option<String>>,
    /// Something else to follow, or what the active release came from.
    pub reference: Option<Option<String>>,
    /// Another reach.
    pub scope: Option<Word<Scope>>,
    /// Another token, or none.
    pub token_id: Option<Option<Word<TokenId>>>,
    /// Of another repository.
    pub of_url: Option<String>,
    /// Of something else there.
    pub of_reference: Option<Option<String>>,
    /// When it was set.
    pub set_at: Option<Timestamp>,
    /// By whom.
    pub set_by: Option<String>,
    /// Another secret of the webhook, or no webhook.
    pub hook_hash: Option<Option<String>>,
    /// When that was made.
    pub hook_made_at: Option<Option<Timestamp>>,
    /// When somebody looked.
    pub checked_at: Option<Option<Timestamp>>,
    /// What was found.
    pub found: Option<Option<Json<Value>>>,
    /// What went wrong, or nothing.
    pub problem: Option<Option<Json<Value>>>,
    /// What was told of.
    pub told: Option<Option<String>>,
    /// What is taken into use.
    pub tried: Option<Option<String>>,
    /// Whether an update waits.
    pub waiting: Option<bool>,
}

/// Adds the tracking of an app.
pub fn insert(tx: &mut Write<'_>, tracking: &Tracking) -> Result<()> {
    let row = diesel::insert_into(trackings::table).values(tracking);
    row.execute(tx.connection()).map(drop).doing("follow an origin")
}

/// Changes fields.
pub fn update(tx: &mut Write<'_>, app: AppId, changes: &Changes) -> Result<()> {
    let row = diesel::update(trackings::table.find(Word(app))).set(changes);
    row.execute(tx.connection()).map(drop).doing("change how an origin is followed")
}

/// Removes the tracking of an app.
pub fn delete(tx: &mut Write<'_>, app: AppId) -> Result<()> {
    let row = diesel::delete(trackings::table.find(Word(app)));
    row.execute(tx.connection()).map(drop).doing("follow an origin no more")
}

/// The tracking of an app.
pub fn find(db: &mut Read<'_>, app: AppId) -> Result<Option<Tracking>> {
    let query = trackings::table.find(Word(app)).select(Tracking::as_select());
    query.first(db.connection()).optional().doing("read how an origin is followed")
}

/// The tracking whose webhook has a secret with this hash.
pub fn find_by_hook(db: &mut Read<'_>, hash: &str) -> Result<Option<Tracking>> {
    // A parameter could be null, and then the index would not do.
    let query = trackings::table
        .filter(trackings::hook_hash.is_not_null())
        .filter(trackings::hook_hash.eq(hash))
        .select(Tracking::as_select());
    query.first(db.connection()).optional().doing("look up a webhook")
}

/// Those where somebody looks by himself: at some times, or because an update waits.
pub fn watched(db: &mut Read<'_>) -> Result<Vec<Tracking>> {
    let query = trackings::table
        .filter(trackings::mode.ne(Word(TrackingMode::Off)))
        .filter(trackings::cron.is_not_null().or(trackings::waiting))
        .select(Tracking::as_select());
    query.load(db.connection()).doing("list the origins that are followed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;
    use crate::tables::apps;
    use chrono::Utc;
    use mantyx_core::{AppName, AppType};

    fn app(name: &str) -> apps::App {
        apps::App {
            id: Word(AppId::generate()),
            name: Word(AppName::parse(name).unwrap()),
            display_name: String::new(),
            description: String::new(),
            tags: Json(Vec::new()),
            app_type: Word(AppType::Perpetual),
            created_at: Utc::now(),
            updated_at: Utc::now(),
            deleted_at: None,
        }
    }

    fn tracking(app: AppId, mode: TrackingMode, cron: Option<&str>) -> Tracking {
        Tracking {
            app_id: Word(app),
            mode: Word(mode),
            cron: cron.map(str::to_owned),
            reference: None,
            scope: Word(Scope::Operate),
            token_id: None,
            of_url: "https://h/a".into(),
            of_reference: None,
            set_at: Utc::now(),
            set_by: "ci".into(),
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

    #[test]
    fn a_tracking_goes_with_its_app_and_is_found_by_its_hook() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("mantyx.db")).unwrap();
        let work = |tx: &mut Write<'_>| {
            let ids = ["a", "b", "c"].map(app).map(|app| {
                apps::insert(tx, &app).unwrap();
                app.id.0
            });
            insert(tx, &tracking(ids[0], TrackingMode::Apply, Some("@daily")))?;
            insert(tx, &tracking(ids[1], TrackingMode::Off, Some("@daily")))?;
            insert(tx, &tracking(ids[2], TrackingMode::Notify, None))?;
            let hook = Changes { hook_hash: Some(Some("h".into())), ..Default::default() };
            update(tx, ids[2], &hook)?;
            assert_eq!(find_by_hook(tx, "h")?.map(|row| row.app_id.0), Some(ids[2]));
            assert!(find_by_hook(tx, "x")?.is_none());
            let watched_ones = |tx: &mut Write<'_>| -> Vec<AppId> {
                watched(tx).unwrap().into_iter().map(|row| row.app_id.0).collect()
            };
            assert_eq!(watched_ones(tx), [ids[0]]);
            update(tx, ids[2], &Changes { waiting: Some(true), ..Default::default() })?;
            assert_eq!(watched_ones(tx), [ids[0], ids[2]]);
            apps::delete(tx, ids[0])?;
            assert!(find(tx, ids[0])?.is_none());
            delete(tx, ids[2])?;
            assert!(watched_ones(tx).is_empty());
            Ok(())
        };
        store.write(work).unwrap();
    }
}
