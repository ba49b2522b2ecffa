/*===- Rotation.c - cos and sin of p θ_c, in fp64, without a library ------===//
//
// θ_c = 10000^(-c / frequencies) (rotary embeddings, arXiv 2104.09864). The
// results carry fp32's digits for positions up to 2^31.
//
//===----------------------------------------------------------------------===*/
#include <stdint.h>

static double round_to_whole(double x) {
  return (double)(int64_t)(x < 0 ? x - 0.5 : x + 0.5);
}

/* ln 2 and π / 2 as sums whose first parts times a whole number are exact. */
static const double ln2_high = 0x1.62e42fee00000p-1;
static const double ln2_low = 0x1.a39ef35793c76p-33;
static const double half_pi_high = 0x1.921fb54400000p+0;
static const double half_pi_middle = 0x1.0b4611a600000p-34;
static const double half_pi_low = 0x1.3198a2e037073p-69;

/* e^x for -700 < x <= 0. */
static double exponential(double x) {
  double whole = round_to_whole(x * 0x1.71547652b82fep+0);
  double rest = (x - whole * ln2_high) - whole * ln2_low;
  double sum = 1;
  for (int term = 14; term >= 1; --term)
    sum = 1 + sum * rest / term;
  union {
    uint64_t bits;
    double value;
  } scale = {(uint64_t)(1023 + (int64_t)whole) << 52};
  return sum * scale.value;
}

static void cosine_and_sine(double angle, double *cosine, double *sine) {
  double turns = round_to_whole(angle * 0x1.45f306dc9c883p-1);
  double x = ((angle - turns * half_pi_high) - turns * half_pi_middle) -
             turns * half_pi_low;
  double square = x * x, c = 1, s = 1;
  for (int term = 18; term >= 2; term -= 2) {
    c = 1 - c * square / ((term - 1) * term);
    s = 1 - s * square / (term * (term + 1));
  }
  s *= x;
  switch ((int64_t)turns & 3) {
  case 0:
    *cosine = c, *sine = s;
    break;
  case 1:
    *cosine = -s, *sine = c;
    break;
  case 2:
    *cosine = -c, *sine = -s;
    break;
  default:
    *cosine = s, *sine = -c;
    break;
  }
}

/* One row of a rotation's table: for each frequency the angle at `position`. */
void decay_rotation_row(float *cosine, float *sine, int64_t position,
                        int64_t frequencies) {
  static const double ln_10000 = 0x1.26bb1bbb55516p+3;
  for (int64_t c = 0; c < frequencies; ++c) {
    double theta = exponential(-ln_10000 * (double)c / (double)frequencies);
    double first, second;
    cosine_and_sine((double)position * theta, &first, &second);
    cosine[c] = (float)first;
    sine[c] = (float)second;
  }
}
