"""Cases: one function each. Its id is its name, its description its docstring, its result what must be found.

A case is a quote, collateral and a policy together with the exact set of checks that must fail or stay undecided.
Whatever depends on those (``requires``, transitively) must be ``not_run``, and everything else must hold:
``test_every_check_fails_alone`` demands all three of every case, and for every check a case in which it fails alone.
"""
