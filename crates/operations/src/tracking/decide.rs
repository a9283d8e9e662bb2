//! What is done about what a look has found: a total function, so that every case is seen.

use mantyx_core::TrackingMode;

/// What is known of an app that is followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) mode: TrackingMode,
    /// The commit that is active.
    pub(super) active: &'a str,
    /// The last commit that was told of.
    pub(super) told: Option<&'a str>,
    /// The last commit that was taken into use on this account, or was to be.
    pub(super) tried: Option<&'a str>,
    /// Whether somebody went back from the head.
    pub(super) kept: Kept,
}

/// Whether a release of a commit is kept that somebody went back from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Yes,
    No,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: the head is active.
    UpToDate,
    /// It is said, as far as nobody has said it.
    Available(News),
    /// Nothing: it was in use and somebody went back from it, or it was no good.
    HeldBack,
    /// It is taken into use.
    Apply,
}

/// Whether it is the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    Fresh,
    Told,
}

/// What is done about a head.
pub(super) fn decide(known: Known<'_>, head: &str) -> Verdict {
    if head == known.active {
        return Verdict::UpToDate;
    }
    match known.mode {
        TrackingMode::Off => Verdict::Available(News::Told),
        TrackingMode::Notify if known.told == Some(head) => Verdict::Available(News::Told),
        TrackingMode::Notify => Verdict::Available(News::Fresh),
        TrackingMode::Apply if known.tried == Some(head) || known.kept == Kept::Yes => Verdict::HeldBack,
        TrackingMode::Apply => Verdict::Apply,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaa";
    const B: &str = "bbbb";

    fn known(mode: TrackingMode) -> Known<'static> {
        Known { mode, active: A, told: None, tried: None, kept: Kept::No }
    }

    #[test]
    fn what_is_active_is_left_alone_in_every_mode() {
        for mode in [TrackingMode::Off, TrackingMode::Notify, TrackingMode::Apply] {
            let told = Known { told: Some(B), tried: Some(B), ..known(mode) };
            assert_eq!([decide(known(mode), A), decide(told, A)], [Verdict::UpToDate; 2], "{mode:?}");
        }
    }

    #[test]
    fn a_head_is_told_of_once() {
        let notify = known(TrackingMode::Notify);
        assert_eq!(decide(notify, B), Verdict::Available(News::Fresh));
        assert_eq!(decide(Known { told: Some(B), ..notify }, B), Verdict::Available(News::Told));
        assert_eq!(decide(Known { told: Some(A), ..notify }, B), Verdict::Available(News::Fresh));
        assert_eq!(decide(known(TrackingMode::Off), B), Verdict::Available(News::Told));
    }

    #[test]
    fn a_head_is_taken_into_use_once() {
        let apply = known(TrackingMode::Apply);
        assert_eq!(decide(apply, B), Verdict::Apply);
        assert_eq!(decide(Known { told: Some(B), ..apply }, B), Verdict::Apply);
        assert_eq!(decide(Known { tried: Some(B), ..apply }, B), Verdict::HeldBack, "it failed");
        assert_eq!(decide(Known { kept: Kept::Yes, ..apply }, B), Verdict::HeldBack, "somebody went back");
        assert_eq!(decide(Known { tried: Some("cccc"), ..apply }, B), Verdict::Apply, "it has moved on");
    }
}
