//! Any text as a location: what can be read is shown as what reads back to the same, and has no way out of its root.
#![no_main]
#![allow(dead_code, unreachable_pub)]

#[path = "../../crates/progressive-loader/src/location.rs"]
mod location;

use libfuzzer_sys::fuzz_target;
use location::Location;

fuzz_target!(|text: &str| {
    let Ok(location) = text.parse::<Location>() else {
        return;
    };
    if let Location::Ipfs { path, .. } = &location {
        let way_out = |name: &String| [".", "..", ""].contains(&name.as_str());
        assert!(!path.iter().any(way_out), "{path:?}");
    }
    let shown = location.to_string();
    let again = shown.parse::<Location>().expect("what was shown");
    match (&location, &again) {
        // Passwords and queries are left out.
        (Location::Http(url), Location::Http(other)) => assert_eq!(url.host(), other.host()),
        _ => assert_eq!(location, again, "{shown}"),
    }
});
