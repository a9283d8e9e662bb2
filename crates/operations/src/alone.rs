//! What is done to all of Mantyx has it to itself.
//!
//! An export packs what the database says at one moment, so no app may be changed while it goes on: it begins when no
//! app has an operation, and none begins before its end. What merely runs goes on running, and may be started and
//! stopped. While an import is under way nothing at all is changed beside it.

use std::collections::BTreeSet;

use mantyx_core::{AppId, Code, Error, OperationKind, Result};
use mantyx_registry::Read;
use mantyx_registry::tables::apps;
use mantyx_registry::tables::operations::{self, Operation};
use tokio::sync::OwnedMutexGuard;

use crate::import::refuse_unless_empty;
use crate::mantyx::Mantyx;

/// Refuses an operation beside those that are under way: one of all of Mantyx beside any, and any beside one of all of it.
/// An import has nothing beside it at all: what is there when it begins, and is not made afterwards, is not its own.
pub(crate) fn refuse_beside(db: &mut Read<'_>, kind: OperationKind) -> Result<()> {
    if kind == OperationKind::Import {
        refuse_unless_empty(db)?;
    }
    let in_the_way = match kind {
        OperationKind::Export | OperationKind::Import => operations::all_under_way(db)?.into_iter().next(),
        _ => of_all(db)?,
    };
    in_the_way.map_or(Ok(()), |row| Err(refusal(&row)))
}

impl Mantyx {
    /// The locks of all apps, once nothing is being asked of any. Whoever takes one afterwards sees what was begun under
    /// them. Nobody holds two of them but for this, and everybody takes them in this order.
    pub(crate) async fn locked_all(&self) -> Result<Vec<OwnedMutexGuard<()>>> {
        let all = |db: &mut Read<'_>| {
            let apps = apps::list(db)?.into_iter().chain(apps::list_deleted(db)?);
            Ok(apps.map(|app| app.id.0).collect::<BTreeSet<AppId>>())
        };
        let mut locks = Vec::new();
        for app in self.registry().read(all).await? {
            locks.push(self.inner().locks.app(app).await);
        }
        Ok(locks)
    }
}

/// Refuses what may not happen while all of another Mantyx is taken over.
pub(crate) fn refuse_during_import(db: &mut Read<'_>) -> Result<()> {
    let import = of_all(db)?.filter(|row| row.kind.0 == OperationKind::Import);
    import.map_or(Ok(()), |row| Err(refusal(&row)))
}

/// The operation on all of Mantyx that is under way.
pub(crate) fn of_all(db: &mut Read<'_>) -> Result<Option<Operation>> {
    Ok(operations::all_under_way(db)?.into_iter().find(|row| row.app_id.is_none()))
}

fn refusal(row: &Operation) -> Error {
    let whose = row.app_name.as_ref().map(|name| format!(" of `{}`", name.0)).unwrap_or_default();
    let detail = format!("The operation `{}` ({}){whose} is under way", row.id.0, row.kind.0.as_str());
    Error::new(Code::OperationInProgress, detail).hint("Wait until it has ended, or cancel it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_import_begins_in_an_empty_mantyx_only() {
        let scene = Scene::open(&[]).await;
        let beside = || {
            let wanted = |db: &mut Read<'_>| Ok(refuse_beside(db, OperationKind::Import).err());
            scene.mantyx.registry().read(wanted)
        };
        assert!(beside().await.unwrap().is_none());
        scene.app("wiki").await;
        assert_eq!(beside().await.unwrap().unwrap().code(), Code::NotEmpty);
    }
}
