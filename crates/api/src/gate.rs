//! How long something without an end goes on: as long as the daemon does, and as long as the token that opened it
//! lets in. Streams of events and live connections are let in here, and told here when they are over.
//!
//! When there is reason to doubt, because a token was revoked or the password was set, everybody who was let in asks
//! again. Nothing is decided from the reason itself, so that what ends a token stands in one place. Nobody here listens
//! to what changes: a listener keeps everything awake that is told to listeners.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use chrono::Utc;
use mantyx_api_types::LiveTicket;
use mantyx_core::{Code, Error, Result, Scope, Timestamp};
use mantyx_operations::{Caller, Mantyx};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::access::{address_of, authorise, require};

/// How long the bearer behind a ticket is kept: longer than any ticket is good.
const TICKET_LIFE: Duration = Duration::from_secs(60);

/// How often the clock is looked at while a token ends later: it may jump, and no timer hears of that.
const LOOK: Duration = Duration::from_secs(60);

/// Lets in, and calls off.
pub(crate) struct Gate {
    mantyx: Mantyx,
    doubts: watch::Receiver<()>,
    closing: CancellationToken,
    /// A ticket says whose it is, but only a bearer can be asked about again.
    bearers: Mutex<HashMap<String, (String, Instant)>>,
}

/// Why something is over.
pub(crate) enum End {
    /// The daemon goes down.
    Closing,
    /// The token lets in no more.
    Refused(Error),
}

impl Gate {
    /// Hears of every doubt from now on.
    pub(crate) fn new(mantyx: &Mantyx) -> Self {
        Self {
            mantyx: mantyx.clone(),
            doubts: mantyx.watch_credentials(),
            closing: CancellationToken::new(),
            bearers: Mutex::default(),
        }
    }

    /// Calls everything off, because the daemon goes down.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    /// Is cancelled when everything is called off.
    pub(crate) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    /// Lets in whoever has this token. It is asked about once more, now that its end would be heard of.
    pub(crate) async fn admit(&self, bearer: &str) -> Result<Admission> {
        let mut doubts = self.doubts.clone();
        doubts.mark_unchanged();
        let token = self.mantyx.authenticate(bearer).await?;
        Ok(Admission {
            mantyx: self.mantyx.clone(),
            bearer: bearer.to_owned(),
            expires_at: token.expires_at,
            doubts,
            closing: self.closing.clone(),
        })
    }

    /// A ticket for a caller with this token.
    pub(crate) fn issue_ticket(&self, caller: &Caller, bearer: &str) -> Result<LiveTicket> {
        let issued = self.mantyx.issue_ticket(&caller.token)?;
        let (now, mut bearers) = (Instant::now(), self.bearers());
        bearers.retain(|_, (_, until)| *until > now);
        bearers.insert(issued.ticket.clone(), (bearer.to_owned(), now + TICKET_LIFE));
        Ok(issued)
    }

    /// Lets in whoever has this ticket, which is used up by it.
    pub(crate) async fn admit_ticket(&self, ticket: &str) -> Result<Admission> {
        self.admit(&self.bearer_of(ticket)?).await
    }

    /// Who sends a request with a ticket, or else with a token, if that reaches as far as `needed`.
    pub(crate) async fn caller(
        &self,
        request: &HttpRequest,
        ticket: Option<&str>,
        needed: Scope,
    ) -> Result<Caller> {
        match ticket {
            Some(ticket) => require(self.caller_of_ticket(ticket, address_of(request)).await?, needed),
            None => authorise(request, needed),
        }
    }

    /// Who has this ticket, which is used up by it. The token may have ended since it was given out.
    async fn caller_of_ticket(&self, ticket: &str, address: String) -> Result<Caller> {
        let bearer = self.bearer_of(ticket)?;
        Ok(Caller { token: self.mantyx.authenticate(&bearer).await?, address })
    }

    fn bearer_of(&self, ticket: &str) -> Result<String> {
        let bearer = self.bearers().remove(ticket).map(|(bearer, _)| bearer);
        self.mantyx.redeem_ticket(ticket)?;
        bearer.ok_or_else(|| Error::new(Code::Unauthenticated, "The ticket is not known"))
    }

    fn bearers(&self) -> MutexGuard<'_, HashMap<String, (String, Instant)>> {
        self.bearers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who was let in.
pub(crate) struct Admission {
    mantyx: Mantyx,
    bearer: String,
    expires_at: Option<Timestamp>,
    doubts: watch::Receiver<()>,
    closing: CancellationToken,
}

impl Admission {
    /// Waits until it is over.
    pub(crate) async fn over(mut self) -> End {
        let closing = self.closing.clone();
        tokio::select! {
            biased;
            () = closing.cancelled() => End::Closing,
            error = self.refused() => End::Refused(error),
        }
    }

    /// Asks again whenever there is reason to. Who cannot be asked about is let in no more.
    async fn refused(&mut self) -> Error {
        loop {
            tokio::select! {
                () = reached(self.expires_at) => {}
                raised = self.doubts.changed() => if raised.is_err() {
                    return Error::new(Code::Unavailable, "Mantyx goes down");
                },
            }
            if let Err(error) = self.mantyx.authenticate(&self.bearer).await {
                return error;
            }
        }
    }
}

/// Waits for an instant; for ever when there is none.
async fn reached(end: Option<Timestamp>) {
    let Some(end) = end else { return std::future::pending().await };
    loop {
        match (end - Utc::now()).to_std() {
            Ok(left) if !left.is_zero() => sleep(left.min(LOOK)).await,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn only_an_end_is_reached() {
        assert!(reached(Some(Utc::now())).now_or_never().is_some());
        assert!(reached(Some(Utc::now() - TimeDelta::days(1))).now_or_never().is_some());
        assert!(reached(Some(Utc::now() + TimeDelta::days(100_000))).now_or_never().is_none());
        assert!(reached(None).now_or_never().is_none());
    }
}
