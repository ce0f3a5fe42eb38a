//! A usage line as an automaton without empty steps (Glushkov's construction): one place for each word that
//! the line can hold, and for each place the places that may follow. Matching keeps the set of places that
//! the words so far can have led to, so it never goes back.

use super::Miss;
use super::parse::{Atom, Node};

/// Most places; the sets below are of this size.
const PLACES: usize = 256;

/// A set of places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Set([u64; PLACES / 64]);

impl Set {
    fn of(place: u8) -> Set {
        let mut set = Set::default();
        if let Some(block) = set.0.get_mut(usize::from(place / 64)) {
            *block |= 1 << (place % 64);
        }
        set
    }

    fn add(&mut self, other: Set) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|block| *block == 0)
    }

    fn meets(&self, other: Set) -> bool {
        self.0.iter().zip(other.0).any(|(mine, theirs)| mine & theirs != 0)
    }

    /// In rising order.
    fn places(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(index, block)| {
            let mut left = block;
            std::iter::from_fn(move || {
                let bit = usize::try_from(left.trailing_zeros()).ok().filter(|bit| *bit < 64)?;
                left &= left.wrapping_sub(1);
                Some(index.saturating_mul(64).saturating_add(bit))
            })
        })
    }
}

#[derive(Debug, Clone)]
struct Place {
    atom: Atom,
    follow: Set,
}

#[derive(Debug, Clone)]
pub(super) struct Automaton {
    places: Vec<Place>,
    first: Set,
    last: Set,
}

/// Where a piece of line can begin and end, and whether it can be left out.
#[derive(Clone, Copy)]
struct Piece {
    first: Set,
    last: Set,
    nullable: bool,
}

const NOTHING: Piece = Piece { first: Set([0; PLACES / 64]), last: Set([0; PLACES / 64]), nullable: true };

impl Automaton {
    pub(super) fn build(line: &[Node]) -> Result<Automaton, String> {
        let mut automaton = Automaton { places: Vec::new(), first: Set::default(), last: Set::default() };
        let whole = automaton.line(line)?;
        (automaton.first, automaton.last) = (whole.first, whole.last);
        Ok(automaton)
    }

    pub(super) fn atoms(&self) -> impl Iterator<Item = &Atom> {
        self.places.iter().map(|place| &place.atom)
    }

    /// Accepts when every word is accounted for.
    pub(super) fn run<'w>(&self, words: impl Iterator<Item = &'w str>) -> Result<(), Miss> {
        let mut next = self.first;
        let mut ends = false;
        let mut matched = 0_usize;
        for word in words {
            let mut follow = Set::default();
            let mut here = Set::default();
            if crate::is_clean(word) {
                for index in next.places() {
                    if let Some(place) = self.places.get(index).filter(|place| place.atom.matches(word)) {
                        follow.add(place.follow);
                        here.add(u8::try_from(index).map(Set::of).unwrap_or_default());
                    }
                }
            }
            if here.is_empty() {
                return Err(self.missed(matched, next));
            }
            ends = here.meets(self.last);
            matched = matched.saturating_add(1);
            next = follow;
        }
        if ends { Ok(()) } else { Err(self.missed(matched, next)) }
    }

    fn missed(&self, matched: usize, next: Set) -> Miss {
        let mut expected: Vec<String> = Vec::new();
        for place in next.places().filter_map(|index| self.places.get(index)) {
            let shown = place.atom.to_string();
            if !expected.contains(&shown) {
                expected.push(shown);
            }
        }
        Miss { matched, expected }
    }

    fn line(&mut self, line: &[Node]) -> Result<Piece, String> {
        let mut whole = NOTHING;
        for node in line {
            let piece = self.node(node)?;
            whole = self.join(whole, piece);
        }
        Ok(whole)
    }

    fn node(&mut self, node: &Node) -> Result<Piece, String> {
        match node {
            Node::Atom(atom) => self.place(atom),
            Node::Group { lines, optional } => {
                let mut whole = Piece { nullable: *optional, ..NOTHING };
                for line in lines {
                    let piece = self.line(line)?;
                    whole.first.add(piece.first);
                    whole.last.add(piece.last);
                    whole.nullable |= piece.nullable;
                }
                Ok(whole)
            }
            Node::Repeat { node, most } => {
                let mut whole = self.node(node)?;
                for _ in 1..*most {
                    let again = Piece { nullable: true, ..self.node(node)? };
                    whole = self.join(whole, again);
                }
                Ok(whole)
            }
        }
    }

    fn place(&mut self, atom: &Atom) -> Result<Piece, String> {
        let Ok(number) = u8::try_from(self.places.len()) else {
            return Err(format!("with its repetitions the line comes to more than {PLACES} words"));
        };
        self.places.push(Place { atom: atom.clone(), follow: Set::default() });
        Ok(Piece { first: Set::of(number), last: Set::of(number), nullable: false })
    }

    fn join(&mut self, left: Piece, right: Piece) -> Piece {
        for index in left.last.places() {
            if let Some(place) = self.places.get_mut(index) {
                place.follow.add(right.first);
            }
        }
        let mut whole =
            Piece { nullable: left.nullable && right.nullable, first: left.first, last: right.last };
        if left.nullable {
            whole.first.add(right.first);
        }
        if right.nullable {
            whole.last.add(left.last);
        }
        whole
    }
}
