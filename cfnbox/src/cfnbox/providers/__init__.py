"""Resource providers: registry handlers, services by table, ministack, and simulation, behind one protocol."""
