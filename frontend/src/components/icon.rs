//! Icons as one path each on a grid of 16, drawn with the colour of the text around them; and the logo.

use leptos::prelude::*;

/// What an icon shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Icon {
    Activity,
    Add,
    Alert,
    Apps,
    Check,
    Clock,
    Close,
    Copy,
    Disable,
    Diff,
    Down,
    Download,
    Edit,
    Enable,
    Key,
    Leave,
    Log,
    Open,
    Pause,
    Play,
    Restart,
    Run,
    Search,
    Sliders,
    Service,
    Stop,
    System,
    Trash,
    Undo,
    Unfold,
    Upload,
}

impl Icon {
    const fn path(self) -> &'static str {
        match self {
            Self::Activity => "M1.8 8.4h2.8L6.6 3l3 10 2-4.6h2.6",
            Self::Add => "M8 3v10M3 8h10",
            Self::Alert => "M8 2.2 14.6 13.6H1.4zM8 6.6v3.2M8 11.7v.1",
            Self::Apps => {
                "M2.5 2.5h4.4v4.4H2.5zM9.1 2.5h4.4v4.4H9.1zM2.5 9.1h4.4v4.4H2.5zM9.1 9.1h4.4v4.4H9.1z"
            }
            Self::Check => "m3 8.6 3.3 3.2L13 4.6",
            Self::Clock => "M8 1.9a6.1 6.1 0 1 0 0 12.2A6.1 6.1 0 0 0 8 1.9M8 4.8V8l2.3 1.7",
            Self::Close => "m4 4 8 8M12 4l-8 8",
            Self::Copy => "M5.6 5.6h7.6v7.6H5.6zM10.4 5.4V2.8H2.8v7.6h2.6",
            Self::Disable => "M8 1.9a6.1 6.1 0 1 0 0 12.2A6.1 6.1 0 0 0 8 1.9M3.8 3.8l8.4 8.4",
            Self::Diff => "M8 2.4v6.4M4.8 5.6h6.4M4.8 12.6h6.4",
            Self::Down => "M8 2.6v10.2M3.6 8.6 8 13l4.4-4.4",
            Self::Download => "M8 2v8M4.6 6.9 8 10.3l3.4-3.4M2.5 13.6h11",
            Self::Edit => "M2.8 13.2v-2.9l7.7-7.7 2.9 2.9-7.7 7.7zM9 4.1 11.9 7",
            Self::Enable => "M8 1.8v5.4M4.6 3.9a5.5 5.5 0 1 0 6.8 0",
            Self::Key => "M5.4 6.9a3 3 0 1 0 0 6 3 3 0 0 0 0-6M7.6 7.8l5.6-5.6M10.8 4.6l2 2",
            Self::Leave => "M6.4 2.6H2.8v10.8h3.6M10.4 4.8 13.6 8l-3.2 3.2M13.4 8H6.2",
            Self::Log => "M2.5 4h11M2.5 8h11M2.5 12h6.5",
            Self::Open => "M6.2 3H3v10h10V9.8M9.4 2.8h3.8v3.8M13 3 7.6 8.4",
            Self::Pause => "M5.4 3.4v9.2M10.6 3.4v9.2",
            Self::Play => "M5 3.2v9.6L12.6 8z",
            Self::Restart => "M13.2 8a5.2 5.2 0 1 1-1.6-3.8M13.2 2.2v2.6h-2.6",
            Self::Run => "M9 1.8 3.4 9h4l-.6 5.2L12.6 7h-4.2z",
            Self::Search => "M7 2.6a4.4 4.4 0 1 0 0 8.8 4.4 4.4 0 0 0 0-8.8M10.3 10.3l3.3 3.3",
            Self::Sliders => "M2.5 5h6M12.5 5h1M2.5 11h1M7.5 11h6M10.5 3.2v3.6M5.5 9.2v3.6",
            Self::Service => {
                "M13 5.2a6 6 0 0 0-10.6 1.6M3 10.8a6 6 0 0 0 10.6-1.6M13.4 2.4v3h-3M2.6 13.6v-3h3"
            }
            Self::Stop => "M4 4h8v8H4z",
            Self::Trash => "M2.6 4.4h10.8M6 4.2V2.4h4v1.8M4 4.6l.7 9h6.6l.7-9M6.7 7.2v4M9.3 7.2v4",
            Self::System => "M2.5 2.8h11v4h-11zM2.5 9.2h11v4h-11zM5 4.8h.1M5 11.2h.1",
            Self::Undo => "M3 2.6v3.6h3.6M3.2 6.1A5.2 5.2 0 1 1 2.9 9.6",
            Self::Unfold => "m4 6 4 4.4L12 6",
            Self::Upload => "M8 10.6V2.4M4.6 5.6 8 2.2l3.4 3.4M2.5 13.6h11",
        }
    }
}

/// An icon; what it means stands beside it or in the label of its button.
pub(crate) fn icon(icon: Icon) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <path d=icon.path()></path>
        </svg>
    }
}

/// The mark of `assets/logo.svg` without its ground.
pub(crate) fn logo() -> impl IntoView {
    view! {
        <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
            <path class="logo-limbs" d="M5 27V12.5l11 11 11-11V27"></path>
            <path class="logo-head" d="M10.4 6.2h11.2L16 14.4z"></path>
            <path class="logo-feelers" d="M12.8 5.6C12.2 3.6 10.8 2.6 9 2.4M19.2 5.6c.6-2 2-3 3.8-3.2"></path>
        </svg>
    }
}
