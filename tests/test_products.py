"""Sums of symmetric products against the whole products by einsum."""

import numpy as np
import pytest

from numerics.products import HALVED, SYRK, TILE, Sum, square

RNG = np.random.default_rng(3)


def symmetric(*shape):
    G = RNG.standard_normal(shape)
    return G + G.swapaxes(-1, -2)


@pytest.mark.parametrize("outputs", [1, 2, 4])
@pytest.mark.parametrize("weights", [None, symmetric(5, 5), symmetric(2, 5, 5)])
def test_products_of_units_add_up_with_their_signs(outputs, weights):
    Z, Y = RNG.standard_normal((2, 2, outputs, 5, 3))
    one = Sum((2, outputs, 5, outputs, 5), Z.dtype)
    one.add_units(Z, 1, weights)
    one.add_units(Y, -1)
    w = np.ones((5, 5)) if weights is None else weights
    w = np.broadcast_to(w, (2, 5, 5))
    expected = np.einsum("nctm,ndsm,nts->nctds", Z, Z, w) - np.einsum("nctm,ndsm->nctds", Y, Y)
    assert one.mirrored() == pytest.approx(expected, rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("samples", [HALVED - 1, HALVED, HALVED + TILE // 2 + 1])
@pytest.mark.parametrize("outputs", [1, 3, 9])
@pytest.mark.parametrize("alone", [True, False])
def test_outer_products_are_those_of_units_on_both_sides_of_the_threshold(samples, outputs, alone):
    a, P = RNG.standard_normal((2, outputs, 7)), RNG.standard_normal((2, samples, 7))
    Y = RNG.standard_normal((2, outputs, samples, 2))
    G = symmetric(2, samples, samples)
    one = Sum((2, outputs, samples, outputs, samples), P.dtype)
    expected = 0
    if not alone:
        one.add_units(Y)
        expected = np.einsum("nctm,ndsm->nctds", Y, Y, optimize=True)
    one.add_outer(a, P, G)
    Z = np.einsum("nkm,ntm->nktm", a, P)
    expected = expected + np.einsum("nctm,ndsm->nctds", Z, Z, optimize=True) * G[:, None, :, None]
    np.testing.assert_allclose(one.mirrored(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("weights", [symmetric(6, 6), symmetric(2, 6, 6)])
def test_products_of_coupled_samples_are_weighted_sums_over_both(weights):
    D = RNG.standard_normal((2, 3, 2, 4, 3, 5))  # n, C, blocks, T, R, M
    one = Sum((2, 3, 8, 3, 8), D.dtype)
    one.add_coupled(D, weights)
    G = np.broadcast_to(weights, (2, 6, 6)).reshape(2, 2, 3, 2, 3)
    expected = np.einsum("ncatrm,ndbvsm,narbs->ncatdbv", D, D, G).reshape(2, 3, 8, 3, 8)
    assert one.mirrored() == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_sum_has_the_precision_that_it_is_given():
    Z = RNG.standard_normal((1, 2, 3, 4), dtype=np.float32)
    one = Sum((1, 2, 3, 2, 3), Z.dtype)
    one.add_units(Z)
    assert one.mirrored().dtype == np.float32


@pytest.mark.parametrize("samples", [SYRK - 1, SYRK, SYRK + 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("networks", [(), (2,)])
def test_squares_are_whole_on_both_sides_of_the_threshold(samples, dtype, networks):
    A = RNG.standard_normal((*networks, samples, 3)).astype(dtype)
    found, expected = square(A), np.einsum("...tm,...sm->...ts", A, A)
    assert found.dtype == dtype
    atol = 8 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol * float(abs(expected).max()))
    np.testing.assert_array_equal(found, found.swapaxes(-1, -2))


def test_a_square_takes_arrays_in_any_order():
    A = RNG.standard_normal((3, SYRK + 1, 4))
    for strided in (A[:, :, ::2], A[::2], np.asfortranarray(A[0]), A[0, ::-1]):
        np.testing.assert_allclose(square(strided), strided @ strided.swapaxes(-1, -2), atol=1e-13)
