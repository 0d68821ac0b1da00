-- Which link the latest of the clicks was on: its place in the message; null: nobody knows.
ALTER TABLE visit ADD COLUMN clicked_link INTEGER;
