//! How many connections there may be: of one uid, so that nobody takes the place of others, and in all, so
//! that descriptors suffice.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Connections of one uid at one time.
const OF_ONE: usize = 256;
/// Connections of all at one time.
const OF_ALL: usize = 640;

/// Connections by uid.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    taken: RefCell<HashMap<u32, usize>>,
}

/// One connection's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Rc<Seats>,
    uid: u32,
}

impl Seats {
    /// A place for a connection of `uid`, when there is one.
    pub(crate) fn take(self: &Rc<Self>, uid: u32) -> Option<Seat> {
        let mut taken = self.taken.borrow_mut();
        if taken.values().sum::<usize>() >= OF_ALL {
            return None;
        }
        let mine = taken.entry(uid).or_default();
        if *mine >= OF_ONE {
            return None;
        }
        *mine = mine.saturating_add(1);
        Some(Seat { seats: Rc::clone(self), uid })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.borrow_mut();
        if let Some(mine) = taken.get_mut(&self.uid) {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_uid_cannot_take_all_seats_and_gives_its_own_back() {
        let seats = Rc::new(Seats::default());
        let mine: Vec<_> = std::iter::from_fn(|| seats.take(1)).collect();
        assert_eq!(mine.len(), OF_ONE);
        assert!(seats.take(2).is_some());
        drop(mine);
        assert!(seats.take(1).is_some());
        assert!(seats.taken.borrow().is_empty());
    }
}
