//! What is, held against what should be.

use mantyx_api_types::ReconcileView;

use super::Session;
use crate::failure::Result;
use crate::tables;

pub(super) async fn run(session: Session) -> Result<()> {
    let view: ReconcileView = session.client.ask("/api/reconcile", &[]).await?;
    session.output.show(&view, |view| tables::findings(&view.findings))
}
