//! The shortest decimal number that is read as a given float, and of those the nearest: Steele & White 1990, Dybvig & Burger 1996,
//! with numbers as long as it takes. Faster ways have tables, or a code for each case.

use core::cmp::Ordering;

/// 1137 bits are the most that a float needs: 2⁻¹⁰⁷⁴ × 10³²⁴ and its neighbours.
const WORDS: usize = 36;

/// A float: an odd or even number of steps of a power of two.
pub(super) struct Binary {
    pub(super) mantissa: u64,
    pub(super) exponent: i32,
    /// The next smaller float is only half as far away as the next larger one.
    pub(super) uneven: bool,
}

impl Binary {
    /// Adds the digits, at most 17, and says where the point is: behind this many of them. The float is not zero.
    pub(super) fn digits(&self, digits: &mut Vec<u8>) -> i32 {
        // All of them times the same: the float, one, and half the distance to the next float on either side.
        let mut rest = Long::of(self.mantissa);
        let mut one = Long::of(1);
        let mut above = Long::of(1);
        let up = u32::try_from(self.exponent).unwrap_or(0);
        let down = u32::try_from(-self.exponent).unwrap_or(0);
        let wide = u32::from(self.uneven);
        rest.double(up + 1 + wide);
        one.double(down + 1 + wide);
        above.double(up + wide);
        let mut below = above.clone();
        if self.uneven {
            below = Long::of(1);
            below.double(up);
        }
        // Readers round to even.
        let closed = self.mantissa.is_multiple_of(2);
        let reaches = |sum: &Long, one: &Long| match sum.cmp(one) {
            Ordering::Less => false,
            Ordering::Equal => closed,
            Ordering::Greater => true,
        };
        let mut point = 0;
        while reaches(&rest.plus(&above), &one) {
            one.times_ten();
            point += 1;
        }
        loop {
            for number in [&mut rest, &mut above, &mut below] {
                number.times_ten();
            }
            if point <= 0 && digits.is_empty() && !reaches(&rest.plus(&above), &one) {
                point -= 1;
                continue;
            }
            let mut digit = b'0';
            while rest >= one {
                rest.minus(&one);
                digit += 1;
            }
            let (low, high) = (reaches(&below, &rest), reaches(&rest.plus(&above), &one));
            if low || high {
                let nearer = rest.plus(&rest).cmp(&one);
                let up = match (low, high) {
                    (true, true) => {
                        nearer == Ordering::Greater || (nearer == Ordering::Equal && digit % 2 == 1)
                    }
                    _ => high,
                };
                digits.push(digit + u8::from(up));
                return point;
            }
            digits.push(digit);
        }
    }
}

/// A natural number, the most significant word first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Long([u32; WORDS]);

impl Long {
    fn of(value: u64) -> Self {
        let mut words = [0; WORDS];
        words[WORDS - 2] = (value >> 32) as u32;
        words[WORDS - 1] = value as u32;
        Self(words)
    }

    fn times(&mut self, factor: u32) {
        let mut carry = 0;
        for word in self.0.iter_mut().rev() {
            let product = u64::from(*word) * u64::from(factor) + carry;
            *word = product as u32;
            carry = product >> 32;
        }
    }

    fn times_ten(&mut self) {
        self.times(10);
    }

    fn double(&mut self, times: u32) {
        for _ in 0..times / 16 {
            self.times(1 << 16);
        }
        self.times(1 << (times % 16));
    }

    fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        let mut carry = 0;
        for (word, other) in sum.0.iter_mut().zip(&other.0).rev() {
            let both = u64::from(*word) + u64::from(*other) + carry;
            *word = both as u32;
            carry = both >> 32;
        }
        sum
    }

    /// `other` is not larger.
    fn minus(&mut self, other: &Self) {
        let mut borrow = false;
        for (word, other) in self.0.iter_mut().zip(&other.0).rev() {
            let (less, a) = word.overflowing_sub(*other);
            let (less, b) = less.overflowing_sub(borrow.into());
            *word = less;
            borrow = a || b;
        }
    }
}
