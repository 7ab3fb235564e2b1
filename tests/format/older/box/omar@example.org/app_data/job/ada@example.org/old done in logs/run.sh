#!/bin/bash
python3 code/main.py
