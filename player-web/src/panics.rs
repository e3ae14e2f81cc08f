//! A panic is a defect of ours. Without this the page would see "unreachable" on its console, and a player that stands still.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Once;

use wasm_bindgen::JsValue;

use crate::shell::Shell;

thread_local! {
    static SHELLS: RefCell<Vec<Weak<Shell>>> = RefCell::default();
}

/// From now on panics are reported.
pub(crate) fn report() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let message = format!("headgate: {info}");
            web_sys::console::error_1(&JsValue::from_str(&message));
            for shell in shells() {
                shell.on_panic(&message);
            }
        }));
    });
}

/// This player shall hear of panics.
pub(crate) fn watch(shell: &Rc<Shell>) {
    SHELLS.with_borrow_mut(|shells| {
        shells.retain(|known| known.strong_count() > 0);
        shells.push(Rc::downgrade(shell));
    });
}

/// Those that live; none if the panic came out of this very list.
fn shells() -> Vec<Rc<Shell>> {
    SHELLS.with(|shells| {
        shells.try_borrow().map_or_else(
            |_| Vec::new(),
            |shells| shells.iter().filter_map(Weak::upgrade).collect(),
        )
    })
}
