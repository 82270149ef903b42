//! Tests of whole operations; tests of single loops are beside the loops.

mod fft;
mod oracle;
mod slow;
