"""The sources of the theorems, as a list of references."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """``short``: as a theorem names its source. ``text``: LaTeX, with title and place."""

    key: str
    short: str
    text: str


NEURIPS = r"\emph{Advances in Neural Information Processing Systems}"
REFERENCES = (
    Reference(
        "andrews1974",
        "Andrews & Mallows, J. R. Stat. Soc. B 1974",
        r"D. F. Andrews and C. L. Mallows. Scale mixtures of normal distributions. \emph{Journal "
        r"of the Royal Statistical Society B} 36, 1974.",
    ),
    Reference(
        "arora2019",
        "Arora, Li & Lyu, ICLR 2019",
        r"S. Arora, Z. Li and K. Lyu. Theoretical analysis of auto rate-tuning by batch "
        r"normalization. \emph{International Conference on Learning Representations}, 2019.",
    ),
    Reference(
        "cho2009",
        "Cho & Saul, NeurIPS 2009",
        rf"Y. Cho and L. K. Saul. Kernel methods for deep learning. {NEURIPS}, 2009.",
    ),
    Reference(
        "clevert2016",
        "Clevert, Unterthiner & Hochreiter, ICLR 2016",
        r"D.-A. Clevert, T. Unterthiner and S. Hochreiter. Fast and accurate deep network "
        r"learning by exponential linear units (ELUs). \emph{International Conference on Learning "
        r"Representations}, 2016.",
    ),
    Reference(
        "fan2020",
        "Fan & Wang, NeurIPS 2020",
        r"Z. Fan and Z. Wang. Spectra of the conjugate kernel and neural tangent kernel for "
        rf"linear-width neural networks. {NEURIPS}, 2020.",
    ),
    Reference(
        "hendrycks2016",
        "Hendrycks & Gimpel, 2016",
        r"D. Hendrycks and K. Gimpel. Gaussian error linear units (GELUs). "
        r"\emph{arXiv:1606.08415}, 2016.",
    ),
    Reference(
        "ioffe2015",
        "Ioffe & Szegedy, ICML 2015",
        r"S. Ioffe and C. Szegedy. Batch normalization: accelerating deep network training by "
        r"reducing internal covariate shift. \emph{International Conference on Machine Learning}, "
        r"2015.",
    ),
    Reference(
        "jacot2018",
        "Jacot, Gabriel & Hongler, NeurIPS 2018",
        r"A. Jacot, F. Gabriel and C. Hongler. Neural tangent kernel: convergence and "
        rf"generalization in neural networks. {NEURIPS}, 2018.",
    ),
    Reference(
        "karakida2019normalization",
        "Karakida, Akaho & Amari, NeurIPS 2019",
        r"R. Karakida, S. Akaho and S. Amari. The normalization method for alleviating "
        rf"pathological sharpness in wide neural networks. {NEURIPS}, 2019.",
    ),
    Reference(
        "karakida2019universal",
        "Karakida, Akaho & Amari, AISTATS 2019",
        r"R. Karakida, S. Akaho and S. Amari. Universal statistics of Fisher information in deep "
        r"neural networks: mean field approach. \emph{International Conference on Artificial "
        r"Intelligence and Statistics}, 2019.",
    ),
    Reference(
        "klambauer2017",
        "Klambauer et al., NeurIPS 2017",
        r"G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter. Self-normalizing neural "
        rf"networks. {NEURIPS}, 2017.",
    ),
    Reference(
        "laarhoven2017",
        "van Laarhoven, 2017",
        r"T. van Laarhoven. L2 regularization versus batch and weight normalization. "
        r"\emph{arXiv:1706.05350}, 2017.",
    ),
    Reference(
        "lecun1991",
        "LeCun, Kanter & Solla, Phys. Rev. Lett. 1991",
        r"Y. LeCun, I. Kanter and S. A. Solla. Eigenvalues of covariance matrices: application to "
        r"neural-network learning. \emph{Physical Review Letters} 66, 1991.",
    ),
    Reference(
        "lyu2022",
        "Lyu, Li & Arora, NeurIPS 2022",
        r"K. Lyu, Z. Li and S. Arora. Understanding the generalization benefit of normalization "
        rf"layers: sharpness reduction. {NEURIPS}, 2022.",
    ),
    Reference(
        "mehler1866",
        "Mehler, J. reine angew. Math. 1866",
        r"F. G. Mehler. Ueber die Entwicklung einer Function von beliebig vielen Variablen nach "
        r"Laplaceschen Functionen h\"oherer Ordnung. \emph{Journal f\"ur die reine und angewandte "
        r"Mathematik} 66, 1866.",
    ),
    Reference(
        "plackett1954",
        "Plackett, Biometrika 1954",
        r"R. L. Plackett. A reduction formula for normal multivariate integrals. "
        r"\emph{Biometrika} 41, 1954.",
    ),
    Reference(
        "price1958",
        "Price, IRE Trans. Inf. Theory 1958",
        r"R. Price. A useful theorem for nonlinear devices having Gaussian inputs. \emph{IRE "
        r"Transactions on Information Theory} 4, 1958.",
    ),
    Reference(
        "sheppard1899",
        "Sheppard, Phil. Trans. R. Soc. 1899",
        r"W. F. Sheppard. On the application of the theory of error to cases of normal "
        r"distribution and normal correlation. \emph{Philosophical Transactions of the Royal "
        r"Society A} 192, 1899.",
    ),
    Reference(
        "stefanski1991",
        "Stefanski, Stat. Probab. Lett. 1991",
        r"L. A. Stefanski. A normal scale mixture representation of the logistic distribution. "
        r"\emph{Statistics \& Probability Letters} 11, 1991.",
    ),
    Reference(
        "tracy1996",
        "Tracy & Widom, Commun. Math. Phys. 1996",
        r"C. A. Tracy and H. Widom. On orthogonal and symplectic matrix ensembles. "
        r"\emph{Communications in Mathematical Physics} 177, 1996.",
    ),
    Reference(
        "wan2021",
        "Wan et al., NeurIPS 2021",
        r"R. Wan, Z. Zhu, X. Zhang and J. Sun. Spherical motion dynamics: learning dynamics of "
        rf"normalized neural network using SGD and weight decay. {NEURIPS}, 2021.",
    ),
    Reference(
        "williams1996",
        "Williams, NeurIPS 1996",
        rf"C. K. I. Williams. Computing with infinite networks. {NEURIPS}, 1996.",
    ),
    Reference(
        "wishart1928",
        "Wishart, Biometrika 1928",
        r"J. Wishart. The generalised product moment distribution in samples from a normal "
        r"multivariate population. \emph{Biometrika} 20A, 1928.",
    ),
    Reference(
        "yang2019",
        "Yang et al., ICLR 2019",
        r"G. Yang, J. Pennington, V. Rao, J. Sohl-Dickstein and S. S. Schoenholz. A mean field "
        r"theory of batch normalization. \emph{International Conference on Learning "
        r"Representations}, 2019.",
    ),
)


def cited(source: str) -> str:
    r"""The source of a theorem in LaTeX, with its references.

    >>> cited("Cho & Saul, NeurIPS 2009")
    'Cho \\& Saul, NeurIPS 2009~\\cite{cho2009}'
    """
    for reference in REFERENCES:
        source = source.replace(reference.short, rf"{reference.short}~\cite{{{reference.key}}}")
    return re.sub(r"(?<!\\)&", r"\\&", source)


def bibliography(sources: Iterable[str]) -> str:
    """The references that these sources name, empty if none."""
    text = "; ".join(sources)
    used = [reference for reference in REFERENCES if reference.short in text]
    if not used:
        return ""
    items = "\n".join(rf"\bibitem{{{one.key}}} {one.text}" for one in used)
    return f"\\begin{{thebibliography}}{{99}}\n{items}\n\\end{{thebibliography}}\n"
